"""`iop lab list | show | match | discard | reread`, and `iop lab map answer`: what laboratories sent and a person has
to settle, over FHIR with a token. Each answer is a PUT of its Task, or `$reread`."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from deploy import lab_work
from deploy.commands.asking import Where, asking
from deploy.commands.common import out
from deploy.commands.escalations import Identity
from deploy.failure import CannotContinueError
from deploy.lab_work import KINDS, Work
from deploy.work_list import ID, OPEN
from shared.events.codes import DISCARD_REASONS, INPUT, REASON

WAITING = ("find-patient", "assign-result")
UNREAD = {
    "value-not-read": "no phrase and no rule for figures covers what stands at",
    "no-result": "it holds no result by what its codes mean now",
    "not-mapped": "nothing says what this code means: iop lab map answer",
    "laboratory-unknown": "its laboratory is not in clients.toml any more",
    "too-large": "it is larger than is decided at one go (IOP_HL7_ROWS)",
    "duplicate": "its number was used before for something else: the laboratory sends it under another one",
}
"""By the rule that a service names; others stand for themselves."""
SCOPE = "system/Task.rus"
WITHIN = "system/Binary.r"
_asking = asking(SCOPE)


def _kind(text: str) -> str:
    if text not in KINDS:
        raise typer.BadParameter(f"must be one of: {', '.join(KINDS)}")
    return text


def _reason(text: str) -> str:
    if text not in DISCARD_REASONS:
        raise typer.BadParameter(f"must be one of: {', '.join(sorted(DISCARD_REASONS))}")
    return text


def _patient(text: str) -> str:
    if not ID.fullmatch(text.rpartition("/")[2]):
        raise typer.BadParameter("must be the hub's id of a patient, like 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11")
    return text.rpartition("/")[2]


@_asking
def list_(
    where: Where,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", parser=_kind, help=f"{', '.join(KINDS)}; several.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print what waits for a person, the oldest first."""
    found = where.ask(lambda owners: lab_work.listed(owners, kind or KINDS))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
    elif not found:
        out.print("nothing waits")
    else:
        for line in (line for each in found for line in lines(each)):
            out.print(line, markup=False)


@asking(f"{SCOPE} {WITHIN}")
def show(where: Where, identity: Identity) -> None:
    """Print one of them: what it asks, where and why, and the message as it came: a part of patients' records."""
    found, message = where.ask(lambda owners: lab_work.shown(owners, identity))
    for line in lines(found):
        out.print(line, markup=False)
    for name, value in found.stated.items():
        out.print(f"    {name}: {value}", markup=False)
    out.print(f"    why: {found.reason}", markup=False)
    for line in message:
        out.print(line, markup=False)


@_asking
def match(
    where: Where,
    identity: Identity,
    patient: Annotated[str, typer.Option(metavar="PATIENT", help="The hub's id of the patient.", parser=_patient)],
) -> None:
    """State whose a result is (find-patient, assign-result): it is graded as theirs, once and for ever."""
    _answer(where, identity, {"status": "completed", "for": {"reference": f"Patient/{patient}"}})


@_asking
def discard(
    where: Where,
    identity: Identity,
    reason: Annotated[
        str,
        typer.Option(metavar="CODE", help=f"Why: {', '.join(sorted(DISCARD_REASONS))}.", parser=_reason),
    ],
) -> None:
    """Want nothing done about it, with the reason; the same sent again is not decided either."""
    stated = {"coding": [{"system": REASON, "code": reason}]}
    _answer(where, identity, {"status": "cancelled", "statusReason": stated})


@_asking
def reread(where: Where, identity: Identity) -> None:
    """Have what it is about read again, after an upgrade or a change of a map: it is decided once. Code 1 where
    something of it can't be read even now."""
    found = where.ask(lambda owners: lab_work.reread(owners, identity))
    for line in lines(found.work):
        out.print(line, markup=False)
    if not found.rule:
        waits = found.work.kind in WAITING and found.work.status in OPEN
        out.print("    read; it waits for its patient: iop lab match" if waits else "    read", markup=False)
    else:
        raise CannotContinueError(" ".join(["not read:", UNREAD.get(found.rule, found.rule), *found.places]))


@_asking
def answer(
    where: Where,
    identity: Identity,
    means: Annotated[
        str, typer.Option(metavar="MEANING", help="A LOINC code, an analyte with its method, ignored ...")
    ],
) -> None:
    """State what the code of a map-code Task means: a line of the map. What waited under it is read within seconds."""
    output = [{"type": {"coding": [{"system": INPUT, "code": "means"}]}, "valueString": means}]
    _answer(where, identity, {"status": "completed", "output": output})


def _answer(where: Where, identity: str, members: Mapping[str, Any]) -> None:
    answered = where.ask(lambda owners: lab_work.answer(owners, identity, members))
    for line in lines(answered):
        out.print(line, markup=False)


def lines(work: Work) -> Iterator[str]:
    """Two lines, by this machine's clock: what it is and since when, and what must be typed again."""
    since = datetime.fromisoformat(work.since).astimezone()
    count = f"  results: {work.results}" if work.results else ""
    yield f"{work.kind:<14}  {since:%Y-%m-%d %H:%M}  {work.status:<11}  {work.laboratory}  {work.about}{count}".rstrip()
    yield f"    {work.id}"
