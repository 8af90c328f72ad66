"""Any moment that R4 can write, through the edge of every service: the right instant, or a refusal with its place."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy import keys as key_files
from services.aftercare.edge import EDGE as AFTERCARE
from services.attendance.edge import EDGE as ATTENDANCE
from services.intake.edge import edge as intake_edge
from services.testing.edge import edge as edge_of_testing
from shared.edge import fhir
from shared.edge.contract import Context, Edge
from shared.edge.fhir import BundleEntry, elements
from shared.edge.fhir.times import TIMES, TimeElement, require_times
from shared.edge.moments import ProgramTime
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.platform.keys import Keys
from tests.aftercare import given as aftercare
from tests.attendance import given as attendance
from tests.intake import given as intake
from tests.laws import examples
from tests.service import caller
from tests.testing import given as testing

Json = dict[str, Any]
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
PATIENT = "3f0c5a0e-5a0e-4c5a-9e0e-3f0c5a0e5a0e"
ID = "0b0c5a0e-5a0e-4c5a-9e0e-3f0c5a0e5a0e"
WHO = {"reference": f"Patient/{PATIENT}"}
LOINC = "http://loinc.org"


@dataclass(frozen=True)
class Moment:
    """As R4 writes it, and the first instant that it means; None where no clock here has it."""

    text: str
    begins: datetime | None


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    """Years 0001 to 9999 in every precision and zone, more of them near the ends and near now."""
    year = draw(st.sampled_from([1, 1899, 1900, 2025, 2026, 2027, 9998, 9999]) | st.integers(1, 9999))
    month, day = draw(st.integers(1, 12)), draw(st.integers(1, 31))
    days = [f"{year:04}", f"{year:04}-{month:02}", f"{year:04}-{month:02}-{min(day, 28):02}"]
    written = draw(st.sampled_from([*days, None]))
    if written is not None:
        parts = [int(each) for each in written.split("-")] + [1, 1]
        return Moment(written, datetime.combine(date(*parts[:3]), time(), NEW_YORK))
    return draw(exact(date(year, month, min(day, 28))))


@st.composite
def exact(draw: st.DrawFn, day: date) -> Moment:
    hour, minute, second = draw(st.integers(0, 23)), draw(st.integers(0, 59)), draw(st.integers(0, 60))
    fraction, offset = draw(st.sampled_from(["", ".5", ".123456789"])), draw(st.integers(-14 * 60, 14 * 60))
    sign, away = "-" if offset < 0 else "+", abs(offset)
    zone = draw(st.sampled_from(["Z", f"{sign}{away // 60:02}:{away % 60:02}"]))
    text = f"{day:%Y}".zfill(4) + f"-{day:%m-%d}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
    if second == 60:
        return Moment(text, None)
    micros = int((fraction[1:7] or "0").ljust(6, "0"))
    local = datetime.combine(day, time(hour, minute, second, micros))
    return Moment(text, _shifted(local, 0 if zone == "Z" else offset))


def _shifted(local: datetime, minutes: int) -> datetime | None:
    try:
        return (local - timedelta(minutes=minutes)).replace(tzinfo=UTC)
    except OverflowError:
        return None


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def observation(code: str = "phq-9", **stated: Any) -> Json:
    """A score told: a finding at intake."""
    kind = {"resourceType": "Observation", "id": ID, "status": "final", "subject": WHO}
    return {**kind, "code": coded(codes.FACT, code), "valueInteger": 7, **stated}


def drug_test(**stated: Any) -> Json:
    kind = {"resourceType": "Observation", "id": ID, "status": "final", "subject": WHO}
    return {**kind, "code": coded(LOINC, "14314-9"), "valueString": "Negative", **stated}


def encounter(start: str) -> Json:
    return {
        "resourceType": "Encounter",
        "id": ID,
        "status": "arrived",
        "class": {"code": "AMB"},
        "appointment": [{"reference": "Appointment/a"}],
        "period": {"start": start},
    }


def referral(authored: str) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "id": ID,
        "status": "active",
        "intent": "order",
        "code": {"coding": [{"system": codes.LEVEL, "code": "2.1"}]},
        "subject": WHO,
        "authoredOn": authored,
    }


def found_in(value: Any) -> Iterator[datetime]:
    """Every instant in the commands."""
    if isinstance(value, datetime):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from found_in(each)
    elif hasattr(value, "__struct_fields__"):
        for name in value.__struct_fields__:
            yield from found_in(getattr(value, name))


Place = Callable[[str], Json]
YEAR, DAY, TIME = 4, 10, 11
"""The fewest characters that say enough."""
HAPPENED: dict[str, tuple[str, int, Place]] = {
    "a fact at intake": ("intake", YEAR, lambda text: observation(effectiveDateTime=text)),
    "a period at intake": ("intake", YEAR, lambda text: observation(effectivePeriod={"end": text})),
    "a referral": ("intake", YEAR, referral),
    "a collection": ("testing", DAY, lambda text: drug_test(effectiveDateTime=text)),
    "an issue": ("testing", TIME, lambda text: drug_test(effectiveDateTime="2026-01-01", issued=text)),
    "a check-in": ("attendance", TIME, encounter),
}
SETTINGS = {
    "intake": intake.SETTINGS,
    "testing": testing.SETTINGS,
    "attendance": attendance.SETTINGS,
    "aftercare": aftercare.SETTINGS,
}


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Edge]:
    keys = Keys.load(key_files.make(tmp_path_factory.mktemp("keys")), "intake")
    return {
        "intake": intake_edge(keys),
        "testing": edge_of_testing(keys),
        "attendance": ATTENDANCE,
        "aftercare": AFTERCARE,
    }


def read(edge: Edge, service: str, resource: Json) -> set[datetime]:
    """The instants in the commands that this resource means. Raises HttpRefusal, as the client is answered."""
    parsed = fhir.parse(json.dumps(resource).encode())
    fhir.require_valid(parsed)
    entry = fhir.single("PUT", resource["resourceType"], resource["id"], parsed, {})
    context = Context(caller("ehr"), PATIENT, "demo", SETTINGS[service], NOW)
    elements.clinical_time(entry.resource, context.time.zone)
    return set(found_in(edge.read([entry], context).commands))


def is_over(moment: Moment) -> bool:
    years = moment.begins is not None and "1900" <= moment.text[:4] <= "9998"
    return years and moment.begins is not None and moment.begins <= NOW + timedelta(minutes=60)


@pytest.mark.parametrize("name", HAPPENED)
@settings(max_examples=examples(60), deadline=None)
@given(moment=moments())
def test_a_moment_is_read_exactly_or_refused_with_its_place(edges: dict[str, Edge], name: str, moment: Moment) -> None:
    service, least, place = HAPPENED[name]
    try:
        found = read(edges[service], service, place(moment.text))
    except HttpRefusal as refused:
        assert refused.status in (400, 422) and refused.issues[0].expression
        assert not is_over(moment) or len(moment.text) < least
        return
    assert is_over(moment) and moment.begins in found


@settings(max_examples=examples(60), deadline=None)
@given(moment=moments())
def test_a_safety_screen_counts_at_its_moment_or_asks_a_person_and_only_one_that_lies_ahead_is_refused(
    edges: dict[str, Edge], moment: Moment
) -> None:
    try:
        found = read(edges["intake"], "intake", observation("cows", effectiveDateTime=moment.text))
    except HttpRefusal as refused:
        assert refused.issues[0].code == "business-rule" and not is_over(moment)
        return
    counted = {moment.begins} if is_over(moment) else {NOW}
    asks_besides = {NOW} if len(moment.text) <= len("2026-01-05") else set()
    assert counted <= found <= counted | asks_besides


# The table of every time that a foreign resource tells


def with_time(element: TimeElement, kind: str, text: str) -> BundleEntry:
    """A resource that tells this time, in one of the forms of its element."""
    *above, last = element.path.split(".")
    value: Any = {"start": text} if kind == "Period" else text
    body: Json = {f"{last}{kind}": value}
    for name in reversed(above):
        body = {name: body}
    return fhir.single("PUT", element.type, ID, {"resourceType": element.type, "id": ID, **REQUIRED, **body}, {})


REQUIRED = {"status": "final", "intent": "order", "code": {}, "subject": WHO, "patient": WHO}
REQUIRED |= {name: REQUIRED["code"] for name in ("medicationCodeableConcept", "class", "scope", "vaccineCode")}
REQUIRED |= {name: [] for name in ("category", "participant", "payor")} | {"beneficiary": WHO, "schedule": WHO}
REQUIRED |= dict.fromkeys(("start", "end"), "2026-01-05T14:00:00Z")


@pytest.mark.parametrize("element", TIMES, ids=lambda each: f"{each.type}.{each.path}")
@settings(max_examples=examples(40), deadline=None)
@given(moment=moments(), kind=st.sampled_from(["", "DateTime", "Period"]))
def test_every_time_in_the_table_comes_through_its_door(element: TimeElement, moment: Moment, kind: str) -> None:
    time = ProgramTime.of(intake.SETTINGS, NOW)
    in_calendar = moment.begins is not None and "1900" <= moment.text[:4] <= "9998"
    passes = is_over(moment) if element.tense == "happened" else in_calendar
    try:
        require_times(with_time(element, kind, moment.text), time)
    except HttpRefusal as refused:
        assert refused.status == 422 and refused.issues[0].expression[0].startswith(f"{element.type}.")
        assert not passes
    else:
        assert passes


def test_each_service_reads_by_the_table(edges: dict[str, Edge]) -> None:
    """Before anything else is read of a resource: nothing that a service takes comes past the table."""
    for service, edge in edges.items():
        context = Context(caller("ehr"), PATIENT, "demo", SETTINGS[service], NOW)
        for element in (each for each in TIMES if each.type in edge.takes):
            with pytest.raises(HttpRefusal):
                edge.read([with_time(element, "", "9999")], context)


def test_a_visit_that_is_planned_lies_ahead_and_what_was_entered_in_error_goes_whatever_its_times_say() -> None:
    time = ProgramTime.of(intake.SETTINGS, NOW)
    start = TimeElement("Encounter", "period.start", "happened")
    entry = with_time(start, "", "2027-01-05T09:00:00Z")
    with pytest.raises(HttpRefusal):
        require_times(entry, time)
    for status in ("planned", "entered-in-error"):
        entry.resource["status"] = status
        require_times(entry, time)
    mistaken = with_time(TimeElement("Condition", "onset", "happened"), "DateTime", "9999")
    mistaken.resource["verificationStatus"] = coded("urn:any", "entered-in-error")
    require_times(mistaken, time)
    mistaken.resource["verificationStatus"]["coding"].insert(0, {"system": "urn:own", "code": "X1"})
    require_times(mistaken, time)
