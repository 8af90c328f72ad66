"""The staff of a program: who may answer for what a person is asked, as `program.toml` lists them."""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from shared.rules.decision import Refused

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,63}")
CLINICIAN, LICENSED, DIRECTOR = "clinician", "licensed-clinician", "medical-director"
_TREATING = (CLINICIAN, LICENSED, "on-call-clinician", "primary-therapist", "prescriber", DIRECTOR)
PRIVACY_OFFICER = "privacy-officer"
ROLES = frozenset({*_TREATING, "case-manager", PRIVACY_OFFICER})
"""Those that a member of the staff may have (domain 5.1), also several."""
Act = Literal[
    "sign-placement",
    "second-signature",
    "decide-referral",
    "confirm-needs",
    "set-start",
    "end-evidence",
    "review-placement",
    "discharge",
    "advance-stage",
    "choose-group",
    "disclose-in-emergency",
]
MAY: Mapping[Act, tuple[str, ...]] = {
    "sign-placement": (LICENSED,),
    "second-signature": (DIRECTOR,),
    "decide-referral": (LICENSED,),
    "confirm-needs": (LICENSED,),
    "set-start": (*_TREATING, "case-manager"),
    "end-evidence": (LICENSED,),
    "review-placement": _TREATING,
    "discharge": (LICENSED,),
    "advance-stage": ("primary-therapist", CLINICIAN),
    "choose-group": ("primary-therapist", CLINICIAN, "case-manager"),
    "disclose-in-emergency": (*_TREATING, "case-manager"),
}
"""Who decides what, any of these roles: a licensed clinician signs placement and discharge (domain, head), decides a
referral that the rules can't place (2.8 R0) and ends the evidence of danger (2.7); against R1 to R3 a medical director
signs beside them (this project's default, after 3.1); a placement review is a clinician's decision (5.3); that needs
are still true a licensed clinician confirms; when a stay begins whose level was signed, a case manager may set, too
(this project's default); the stage of a stay is the therapist's (1.3); in which group a patient is, or in none, the
therapist's and the case manager's (this project's default). What stands not here, to answer and to hand over an
escalation above all, anybody of the staff does: who is there acts."""


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`practitioner` are the identifiers by which an EHR names this person, `system|value`; of a Practitioner that
    stands on the EHR's own server: `<base_url of the client>|Practitioner/<id>`."""

    roles: tuple[str, ...]
    practitioner: tuple[str, ...] = ()


Staff = Mapping[str, Member]


def require_staff(staff: Staff) -> Staff:
    """Each id as topics may carry it, each role a known one, somebody who may sign, and each identifier of one person
    only. Raises ValueError."""
    if any(not _ID.fullmatch(each) for each in staff):
        raise ValueError("staff: an id has letters, digits, hyphens and dots, at most 64")
    for identity, known in staff.items():
        if not ROLES.issuperset(known.roles):
            raise ValueError(f"{identity}.roles: must be of {', '.join(sorted(ROLES))}")
    if not has_role(staff, LICENSED):
        raise ValueError(f"staff: nobody could sign a placement; somebody needs the role {LICENSED}")
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


def acts_as(staff: Staff, act: Act, identity: str) -> str | None:
    """In which of their roles this person may do it; None where in none."""
    known = staff.get(identity)
    return next((each for each in MAY[act] if known is not None and each in known.roles), None)


def refused(staff: Staff, act: Act, identity: str, place: str = "Task.owner") -> Refused | None:
    """Why this person may not do it; None where they may."""
    if acts_as(staff, act, identity) is not None:
        return None
    return Refused("forbidden", f"Needs another role of the program's staff: {' or '.join(MAY[act])}.", place)
