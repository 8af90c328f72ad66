"""The staff of a program: who may answer for what a person is asked, as `program.toml` lists them."""

import re
from collections.abc import Mapping

import msgspec

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,63}")
LICENSED = "clinician"
"""The role of a licensed clinician: only they sign a placement, or end what a suicide screen says."""


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`practitioner` are the identifiers by which an EHR names this person, `system|value`; of a Practitioner that
    stands on the EHR's own server: `<base_url of the client>|Practitioner/<id>`."""

    roles: tuple[str, ...]
    practitioner: tuple[str, ...] = ()


Staff = Mapping[str, Member]


def require_distinct(staff: Staff) -> Staff:
    """Each id as topics may carry it, and each identifier of one person only. Raises ValueError."""
    if any(not _ID.fullmatch(each) for each in staff):
        raise ValueError("staff: an id has letters, digits, hyphens and dots, at most 64")
    named = [each for member in staff.values() for each in member.practitioner]
    if len(named) != len(set(named)):
        raise ValueError("staff: a practitioner identifier names one person only")
    return staff


def member(staff: Staff, name: str) -> str | None:
    """The id of the person whom this name means: the id itself, or a practitioner identifier."""
    return next((identity for identity, known in staff.items() if name in (identity, *known.practitioner)), None)


def has_role(staff: Staff, role: str) -> bool:
    """Whether somebody of the staff has it."""
    return any(role in known.roles for known in staff.values())


def is_licensed(staff: Staff, identity: str) -> bool:
    known = staff.get(identity)
    return known is not None and LICENSED in known.roles
