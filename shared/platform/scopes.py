"""What of a requested scope a registered client may have."""

import re

OWN_SCOPES = frozenset({"iop-parked"})
"""The hub's own, no resource of FHIR: asked for and registered by name, never by `system/*`."""
SCOPE = re.compile(r"system/(\*|[A-Za-z-]+)\.(c?r?u?d?s?)")
"""Of SMART (v2): the resource, and the letters in their order."""


def granted(registered: tuple[str, ...], requested: tuple[str, ...]) -> tuple[str, ...]:
    """What of the requested scopes is registered: the narrower resource, the letters both have. Empty means nothing."""
    both = (_common(ours, theirs) for ours in registered for theirs in requested)
    return tuple(dict.fromkeys(scope for scope in both if scope))


def _common(ours: str, theirs: str) -> str | None:
    a, b = SCOPE.fullmatch(ours), SCOPE.fullmatch(theirs)
    if a is None or b is None or not (a[1] == b[1] or "*" in (a[1], b[1])):
        return None
    if a[1] != b[1] and {a[1], b[1]} & OWN_SCOPES:
        return None
    resource = b[1] if a[1] == "*" else a[1]
    letters = "".join(letter for letter in a[2] if letter in b[2])
    return f"system/{resource}.{letters}" if letters else None
