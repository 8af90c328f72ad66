"""Which page is made by what, and whether the committed one is up to date."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.asyncapi import document
from deploy.documents import alerts, catalogue, checks, errors, metrics, settings
from deploy.paths import REPOSITORY

RENDERED: Mapping[str, Callable[[], str]] = {
    "errors": errors.page,
    "settings": settings.page,
    "metrics": metrics.page,
    "alerts": alerts.page,
    "catalogue": catalogue.table,
    "asyncapi": document.text,
    "checks": checks.table,
}
WHOLE = ("errors", "settings", "metrics", "alerts")
"""Pages that are made as a whole: docs/<name>.md."""
WITH_TABLE = {"docs/topics.md": "catalogue", "docs/operate.md": "checks"}
"""Pages that hold a table between its marks."""


def renewed(root: Path = REPOSITORY) -> dict[Path, str]:
    """The text that each page must have."""
    texts = {root / "docs" / f"{name}.md": RENDERED[name]() for name in WHOLE}
    texts[root / "docs" / "asyncapi.json"] = document.text()
    for page, name in WITH_TABLE.items():
        texts[root / page] = _with_table((root / page).read_text(), name)
    return texts


def _with_table(text: str, name: str) -> str:
    """The page with the table of this name between its marks."""
    marked = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    return marked.sub(lambda _: RENDERED[name](), text)


def stale(root: Path = REPOSITORY) -> list[str]:
    """The pages whose committed text differs from the code."""
    return [str(path.relative_to(root)) for path, text in renewed(root).items() if path.read_text() != text]


def renew(root: Path = REPOSITORY) -> None:
    """Write every page anew."""
    for path, text in renewed(root).items():
        path.write_text(text)
