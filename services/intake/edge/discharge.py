"""The discharge: a finished EpisodeOfCare with its Encounter; and how an EHR takes it back or corrects it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from services.intake.edge import care_elsewhere
from services.intake.messages import CorrectDischarge, Discharge, WithdrawDischarge
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, happened, planned_until
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import require_role
from shared.events import codes

_PLAIN_DISPOSITION = {"home": "completed", "aadvice": "ama", "exp": "deceased", "oth": "other"}
"""FHIR's discharge dispositions that can mean only one of the hub's (domain 6.1)."""


def discharged(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> Discharge | WithdrawDischarge:
    """A finished episode with its Encounter, in one transaction: the disposition stands on the Encounter. Active again,
    its discharge was wrong."""
    status = entry.resource["status"]
    require_role("discharge", entry.place, context)
    if status == "active":
        return WithdrawDischarge(episode_id=str(entry.id))
    if status != "finished":
        text = "Must be finished; active where a discharge was wrong; before it begins planned, waitlist or cancelled."
        raise refuse(422, "business-rule", f"{entry.place}.status", text)
    found = [each for each in entries if is_of(each, entries, context)] or _unchanged(context)
    if len(found) != 1:
        text = (
            "One Encounter of the stay with hospitalization.dischargeDisposition is required in the same transaction."
        )
        raise refuse(422, "business-rule" if found else "required", entry.place, text)
    (encounter,) = found
    return Discharge(
        episode_id=str(entry.id),
        encounter_id=str(encounter.id),
        disposition=_disposition(encounter),
        at=_ended(entry, encounter, context),
    )


def finished(entries: Sequence[BundleEntry], context: Context) -> list[BundleEntry]:
    """The episodes that are finished by this transaction; with an Encounter that is new an episode that was finished
    before, and is sent again unchanged: that corrects its discharge."""
    found = [each for each in entries if _finishes(each)]
    if found or not any(_is_new(each, context) for each in entries):
        return found
    return [each for each in context.unchanged if _finishes(each)]


def is_of(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> bool:
    """Whether it is the Encounter of a discharge in this transaction."""
    return _ends_here(entry, context) and bool(finished(entries, context))


def _finishes(entry: BundleEntry) -> bool:
    return entry.type == "EpisodeOfCare" and entry.resource["status"] == "finished"


def _ends_here(entry: BundleEntry, context: Context) -> bool:
    """One of care elsewhere says how that ended."""
    stated = entry.type == "Encounter" and bool(_disposition_of(entry))
    return stated and not care_elsewhere.is_elsewhere(entry, context)


def _is_new(entry: BundleEntry, context: Context) -> bool:
    """Whether it states an end where none was stored: what corrects that is read by itself (`changed`)."""
    before = context.stored.get((entry.type, str(entry.id)))
    return (
        _states_an_end(entry.resource) and _ends_here(entry, context) and not (before and _states_an_end(before.body))
    )


def _unchanged(context: Context) -> list[BundleEntry]:
    """The Encounters sent again by which an episode may be finished, or finished otherwise."""
    return [each for each in context.unchanged if _ends_here(each, context) and _states_an_end(each.resource)]


def _states_an_end(encounter: Json) -> bool:
    return encounter.get("status") == "finished" and bool(_stated(encounter))


def changed(entry: BundleEntry, context: Context) -> Iterator[CorrectDischarge | WithdrawDischarge]:
    """An Encounter that was stored with a disposition, sent anew: of a discharge it takes that back (anything but
    finished), or corrects it. Of another one the decision changes nothing."""
    before = context.stored.get((entry.type, str(entry.id)))
    if before is None or not _stated(before.body):
        return
    require_role("discharge", entry.place, context)
    if entry.resource["status"] != "finished":
        yield WithdrawDischarge(encounter_id=str(entry.id))
    elif _disposition_of(entry):
        ends = entry.resource.get("period", {}).get("end")
        at = _ended(entry, entry, context) if ends else None
        yield CorrectDischarge(encounter_id=str(entry.id), disposition=_disposition(entry), at=at)


def read_as(encounter: BundleEntry) -> list[str]:
    """What the outcome says of one that comes without an EpisodeOfCare: its disposition ends no stay."""
    ends_nothing = encounter.method == "POST" and bool(_disposition_of(encounter))
    return ["not read: a discharge needs its EpisodeOfCare, finished, in the same transaction"] if ends_nothing else []


def _disposition_of(encounter: BundleEntry) -> Json:
    return _stated(encounter.resource)


def _stated(encounter: Json) -> Json:
    concept: Json = encounter.get("hospitalization", {}).get("dischargeDisposition", {})
    return concept


def _disposition(encounter: BundleEntry) -> str:
    concept = _disposition_of(encounter)
    plain = (_PLAIN_DISPOSITION.get(each, "") for each in codes_in(concept, codes.DISCHARGE))
    found = set(codes_in(concept, codes.DISPOSITION)) or set(plain)
    if len(found) != 1 or not found <= set(codes.FHIR_DISPOSITION):
        place = f"{encounter.place}.hospitalization.dischargeDisposition"
        raise refuse(422, "code-invalid", place, "Must be one disposition of the hub's CodeSystem.")
    return found.pop()


def _ended(episode: BundleEntry, encounter: BundleEntry, context: Context) -> datetime:
    """When the stay ended: an instant, or of a day its last second; never later than now."""
    dated = next((each for each in (episode, encounter) if each.resource.get("period", {}).get("end")), episode)
    place, end = f"{dated.place}.period.end", dated.resource.get("period", {}).get("end")
    exact = happened(end, place, context.time)
    return min(exact if "T" in end else planned_until(end, place, context.time) - timedelta(seconds=1), context.now)
