"""The table of `iop doctor`'s checks in docs/operate.md."""

from deploy.doctor.checks import CHECKS
from deploy.documents import tables


def table() -> str:
    """Each check, what it looks at, and what mends it."""
    rows = ((each.name, each.looks_at, each.remedy) for each in CHECKS)
    return tables.table(("check", "it is well where", "what mends it"), rows)
