"""The Patient, before it leaves the edge: digests of what names them, and one sealed part per reader."""

import re
from collections.abc import Iterator
from datetime import date, datetime

from services.intake.messages import RecordPatient, ReportDeath, ReportedFinding, WithdrawDeath
from shared.edge import patients
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, happened, last_day
from shared.edge.json import Json, MutableJson
from shared.events import codes
from shared.platform import traits
from shared.platform.keys import Identifier, Keys

ADULT_YEARS = 18
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
"""A tag of BCP 47: a language, perhaps with its script, region or variants."""


def identified(entry: BundleEntry, context: Context, keys: Keys) -> RecordPatient:
    """Attendance and testing can open only how the EHR calls the patient, for whoever must open the chart; aftercare
    also name, phone, address, language and gender. Testing gets digests of family names and birth date besides: what a
    laboratory calls the patient is compared with them; and name, birth date and gender, which a laboratory may be told
    with an order: they are opened at its release alone."""
    identifiers = _identifiers(entry, context)
    called: MutableJson = {"identifier": [{"system": each.system, "value": each.value} for each in identifiers]}
    compared = traits.digested(keys, context.program, traits.of_patient(entry.resource))
    return RecordPatient(
        digests=tuple(dict.fromkeys(keys.digests(context.program, identifiers))),
        sealed=(
            keys.seal("attendance", {"patient": called}),
            keys.seal("testing", {"patient": called, "traits": compared, "requisition": _requisition(entry.resource)}),
            keys.seal("aftercare", _contact(entry.resource, called)),
        ),
    )


def _identifiers(entry: BundleEntry, context: Context) -> tuple[Identifier, ...]:
    """The entry's id is the hub's by now; the sender's own was remembered, or stands in the fullUrl."""
    named = {name: value for name, value in entry.resource.items() if name != "id"}
    base, _, own = (entry.full_url or "").rpartition("/Patient/")
    if base == context.caller.client.base_url and own:
        named["id"] = own
    elif entry.sender_id is not None:
        named["id"] = entry.sender_id
    return patients.identifiers(named, context.caller, entry.full_url)


def _requisition(patient: Json) -> MutableJson:
    return {name: patient[name] for name in ("name", "birthDate", "gender") if name in patient}


def _contact(patient: Json, called: Json) -> MutableJson:
    contact = {name: patient[name] for name in ("name", "telecom", "address") if name in patient}
    area = next((each["city"] for each in patient.get("address", ()) if each.get("city")), None)
    spoken = sorted(patient.get("communication", ()), key=lambda each: not each.get("preferred", False))
    language = next((code for each in spoken if (code := _language(each["language"]))), None)
    return {"patient": {**called, **contact}, "area": area, "language": language, "gender": patient.get("gender")}


def _language(concept: Json) -> str | None:
    """Its tag in BCP 47, FHIR's own system of languages; also of no system, where it is written as such a tag."""
    return next((code for code in codes_in(concept, codes.LANGUAGE, None) if _TAG.fullmatch(code)), None)


def unread_languages(entry: BundleEntry) -> Iterator[str]:
    """The places of the languages that nobody here can read: of another system, or text alone."""
    for number, spoken in enumerate(entry.resource.get("communication", ())):
        if _language(spoken["language"]) is None:
            yield f"{entry.place}.communication[{number}].language"


def deceased(entry: BundleEntry, context: Context) -> Iterator[ReportDeath | WithdrawDeath]:
    """Whether the patient has died. Only an explicit `deceasedBoolean` false says that they live: many senders never
    fill it in, and a new address must not have the family of a dead patient called."""
    patient = entry.resource
    if "deceasedDateTime" in patient:
        place = f"{entry.place}.deceasedDateTime"
        yield ReportDeath(died_at=happened(patient["deceasedDateTime"], place, context.time))
    elif patient.get("deceasedBoolean"):
        yield ReportDeath()
    elif "deceasedBoolean" in patient:
        yield WithdrawDeath()


def age(entry: BundleEntry, context: Context) -> tuple[ReportedFinding, ...]:
    """Whether the patient is under 18 today: all that the rules need to know of a birth date. Nothing where unknown."""
    born = entry.resource.get("birthDate")
    if not isinstance(born, str):
        return ()
    latest = last_day(born, f"{entry.place}.birthDate", context.time)
    under = _years(latest, context.now.astimezone(context.time.zone)) < ADULT_YEARS
    return (ReportedFinding("under-18", int(under), context.now, f"Patient/{entry.id}"),)


def _years(born: date, now: datetime) -> int:
    return now.year - born.year - ((now.month, now.day) < (born.month, born.day))
