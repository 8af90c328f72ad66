"""Which page is made by what, and whether the committed one is up to date."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.asyncapi import document
from deploy.documents import alerts, catalogue, errors, metrics, settings
from deploy.paths import REPOSITORY

RENDERED: Mapping[str, Callable[[], str]] = {
    "errors": errors.page,
    "settings": settings.page,
    "metrics": metrics.page,
    "alerts": alerts.page,
    "catalogue": catalogue.table,
    "asyncapi": document.text,
}
WHOLE = ("errors", "settings", "metrics", "alerts")
"""Pages that are made as a whole: docs/<name>.md."""
WITH_CATALOGUE = ("docs/topics.md",)
"""Pages that hold the catalogue's table between its marks."""
MARKED = re.compile(r"(?<=<!-- catalogue -->\n).*?(?=<!-- /catalogue -->)", re.DOTALL)


def renewed(root: Path = REPOSITORY) -> dict[Path, str]:
    """The text that each page must have."""
    texts = {root / "docs" / f"{name}.md": RENDERED[name]() for name in WHOLE}
    texts[root / "docs" / "asyncapi.json"] = document.text()
    table = catalogue.table()
    for name in WITH_CATALOGUE:
        texts[root / name] = MARKED.sub(lambda _: table, (root / name).read_text())
    return texts


def stale(root: Path = REPOSITORY) -> list[str]:
    """The pages whose committed text differs from the code."""
    return [str(path.relative_to(root)) for path, text in renewed(root).items() if path.read_text() != text]


def renew(root: Path = REPOSITORY) -> None:
    """Write every page anew."""
    for path, text in renewed(root).items():
        path.write_text(text)
