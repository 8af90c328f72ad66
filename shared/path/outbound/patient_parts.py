"""What a partner may be told of a Patient as the hub has it: what is in use now, one name, members named one by one.

Pure, and of no partner: which of it may go to whom is decided elsewhere.
"""

from datetime import datetime

from shared.events.fhir import Element
from shared.path.destination import Contact

_NAME = ("use", "text", "family", "given", "prefix", "suffix")
_NAME_USES = ("official", "usual", None, "temp", "nickname")


def written_names(patient: Contact, now: datetime) -> list[Element]:
    """Those in use, the legal one before what they are called; a title alone is none, and `anonymous` is nobody's. A
    day is one of the zone in which `now` is."""
    names = [each for each in in_use(patient, "name", now) if each.get("use") in _NAME_USES]
    ranked = sorted(names, key=lambda each: _NAME_USES.index(each.get("use")))
    return [only(each, _NAME) for each in ranked if _is_written(each)]


def _is_written(name: Contact) -> bool:
    return any(
        each.strip() for each in (name.get("text", ""), name.get("family", ""), *(name.get("given") or ())) if each
    )


def in_use(patient: Contact, member: str, now: datetime) -> list[Contact]:
    """Without those that are over or begin later: whoever answers such a number is somebody else."""
    return [each for each in patient.get(member, ()) if _is_now(each.get("period"), now)]


def _is_now(period: object, now: datetime) -> bool:
    """Whether neither its end lies behind nor its start ahead, of whatever precision; what can't be read is not now."""
    start, end = (period.get("start"), period.get("end")) if isinstance(period, dict) else (None, None)
    try:
        return _order(start, now) <= 0 <= _order(end, now)
    except (TypeError, ValueError):
        return False


def _order(written: str | None, now: datetime) -> int:
    """Below zero where it lies behind, above where it lies ahead; 0 where it is now, or nothing is written.

    Raises TypeError or ValueError where it can't be read.
    """
    if written is None:
        return 0
    if "T" in written:
        moment = datetime.fromisoformat(written)
        return (moment > now) - (moment < now)
    today = now.date().isoformat()[: len(written)]
    return (written > today) - (written < today)


def only(element: Contact, members: tuple[str, ...]) -> Element:
    return {name: element[name] for name in members if name in element}
