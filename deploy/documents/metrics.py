"""docs/metrics.md: every metric of `/metrics`, read from shared/platform/metrics.py."""

import ast
from collections.abc import Iterator

from deploy.documents.tables import table
from deploy.paths import REPOSITORY

SOURCE = REPOSITORY / "shared" / "platform" / "metrics.py"
TYPES = ("Counter", "Gauge", "Histogram", "Summary")
INTRODUCTION = """# Metrics

Every service answers `GET /metrics` in Prometheus' text format, without a token. No label ever holds a patient. This
page is made from `shared/platform/metrics.py` by `make docs`.

"""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + table(("metric", "type", "labels", "meaning"), _rows(ast.parse(SOURCE.read_text())))


def _rows(module: ast.Module) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(module):
        match node:
            case ast.Call(
                func=ast.Name(id=type_), args=[ast.Constant(value=str(name)), ast.Constant(value=str(meaning)), *labels]
            ):
                if type_ in TYPES:
                    names = ", ".join(f"`{label}`" for label in (ast.literal_eval(labels[0]) if labels else ()))
                    yield f"`{name}`", type_.lower(), names, meaning
