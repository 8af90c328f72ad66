"""W3C trace context as text (`traceparent`): which trace something belongs to. Who records: `platform/tracing.py`."""

import re

_VALID = re.compile(r"([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


def read(text: str | None) -> str | None:
    """The context in a header that anybody may have written, as this version of the standard writes it; None where it
    is none: then a new trace begins, and nobody is refused for it."""
    found = _VALID.fullmatch(text) if text else None
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return None
    return f"00-{trace}-{span}-{int(flags, 16) & _SAMPLED:02x}"


def is_recorded(traceparent: str | None) -> bool:
    """Whether who wrote it records its trace."""
    return traceparent is not None and traceparent.endswith("1")
