"""The one reader of foreign times, codes and references: its policy, each refusal with its place and no value."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.edge.fhir import elements
from shared.edge.moments import ProgramTime
from shared.edge.outcome import HttpRefusal

ZONE = ZoneInfo("America/New_York")
PLACE = "Observation.effective"
NOW = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
TIME = ProgramTime(ZONE, NOW, timedelta(minutes=60))
STAFF = "urn:staff"


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-01-31T09:30:00-05:00", "2026-01-31T14:30:00Z", "2026-01-31T14:30:00Z"),
        ("2026-01-31", "2026-01-31T05:00:00Z", "2026-02-01T05:00:00Z"),
        ("2026-07", "2026-07-01T04:00:00Z", "2026-08-01T04:00:00Z"),
        ("2026", "2026-01-01T05:00:00Z", "2027-01-01T05:00:00Z"),
        ("1900", "1900-01-01T05:00:00Z", "1901-01-01T05:00:00Z"),
        ("9998-12-31T23:59:59-14:00", "9999-01-01T13:59:59Z", "9999-01-01T13:59:59Z"),
    ],
)
def test_a_day_a_month_and_a_year_are_local_ones(text: str, first: str, last: str) -> None:
    assert elements.planned(text, PLACE, TIME) == datetime.fromisoformat(first)
    assert elements.planned_until(text, PLACE, TIME) == datetime.fromisoformat(last)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-02-01T02:30:00Z", date(2026, 1, 31), date(2026, 1, 31)),
        ("2026-01-31", date(2026, 1, 31), date(2026, 1, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_a_local_day_is_the_first_or_the_last(text: str, first: date, last: date) -> None:
    assert (elements.first_day(text, PLACE, TIME), elements.last_day(text, PLACE, TIME)) == (first, last)


REFUSED = [
    (None, "required"),
    (20260131, "required"),
    ("2026-03-08T02:30:00", "value"),
    ("2016-12-31T23:59:60Z", "value"),
    ("2026-02-30", "value"),
    ("1899-12-31", "value"),
    ("9999", "value"),
    ("0001-01-01T00:00:00+14:00", "value"),
    ("9999-12-31T23:59:59-14:00", "value"),
]


@pytest.mark.parametrize(
    "reader",
    [elements.happened, elements.planned, elements.planned_until, elements.first_day, elements.last_day],
)
@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_what_no_clock_has_is_refused_by_each_reader_alike(reader: object, text: object, code: str) -> None:
    assert callable(reader)
    with pytest.raises(HttpRefusal) as refused:
        reader(text, PLACE, TIME)
    (issue,) = refused.value.issues
    assert (refused.value.status, issue.code, issue.expression) == (422, code, (PLACE,))
    assert str(text) not in issue.diagnostics


@pytest.mark.parametrize(("text", "code"), [*REFUSED, ("2026-01-31", "value")])
def test_an_exact_time_is_more_than_a_day(text: object, code: str) -> None:
    with pytest.raises(HttpRefusal, match=f"422: {code} at {PLACE}"):
        elements.planned_exactly(text, PLACE)


def test_what_has_happened_lies_no_further_ahead_than_a_clock_may_be_wrong() -> None:
    late = NOW + timedelta(minutes=60)
    assert elements.happened(late.isoformat(), PLACE, TIME) == late
    for ahead in (timedelta(minutes=59), timedelta()):
        for reader in (elements.happened, elements.happened_exactly):
            with pytest.raises(HttpRefusal, match=f"business-rule at {PLACE}"):
                reader(late.isoformat(), PLACE, replace(TIME, ahead=ahead))


@pytest.mark.parametrize("text", ["2026", "2026-01", "2026-01-05"])
def test_today_this_month_and_this_year_have_begun_and_so_they_have_happened(text: str) -> None:
    assert elements.happened(text, PLACE, TIME) == elements.planned(text, PLACE, TIME)


@pytest.mark.parametrize("text", ["2027", "2026-02", "2026-01-06", "2026-01-05T23:59:59-05:00"])
def test_what_begins_tomorrow_is_planned_and_has_not_happened(text: str) -> None:
    elements.planned(text, PLACE, TIME)
    with pytest.raises(HttpRefusal, match=f"business-rule at {PLACE}"):
        elements.happened(text, PLACE, TIME)


@pytest.mark.parametrize(
    ("resource", "at"),
    [
        ({"effectiveDateTime": "2026-01-31T09:30:00-05:00"}, "2026-01-31T14:30:00Z"),
        ({"effectiveDateTime": "2026-01-31"}, "2026-01-31T05:00:00Z"),
        ({"effectiveDateTime": "2026"}, "2026-01-01T05:00:00Z"),
        ({"effectivePeriod": {"start": "2026-01-31"}}, "2026-01-31T05:00:00Z"),
        ({"period": {"start": "2026-01-31"}, "start": "2026-02-01T00:00:00Z"}, "2026-02-01T00:00:00Z"),
        ({"effectiveDateTime": "2016-12-31T23:59:60Z"}, None),
        ({"effectiveDateTime": "0001-01-01T00:00:00+14:00"}, None),
        ({"effectiveDateTime": "2026-01-31T09:30:00", "period": {}}, None),
        ({"birthDate": "1987-05-01", "status": "2026"}, None),
    ],
)
def test_a_clinical_time_is_found_or_nothing_is_refused(resource: dict[str, object], at: str | None) -> None:
    assert elements.clinical_time(resource, ZONE) == (None if at is None else datetime.fromisoformat(at))


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026", "2026-01-01T05:00:00Z", "2027-01-01T05:00:00Z"),
        ("2026-02", "2026-02-01T05:00:00Z", "2026-03-01T05:00:00Z"),
        ("2026-02-28", "2026-02-28T05:00:00Z", "2026-03-01T05:00:00Z"),
        ("2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("2026-02-28T09:30", "2026-02-28T14:30:00Z", "2026-02-28T14:31:00Z"),
        ("2026-02-28T09:30Z", "2026-02-28T09:30:00Z", "2026-02-28T09:31:00Z"),
        ("2026-02-28T09:30:00-05:00", "2026-02-28T14:30:00Z", "2026-02-28T14:30:01Z"),
        ("2026-02-28T09:30:00.25Z", "2026-02-28T09:30:00.250000Z", "2026-02-28T09:30:00.260000Z"),
    ],
)
def test_a_date_that_is_searched_is_a_day_of_the_program(text: str, since: str, until: str) -> None:
    assert elements.span(text, ZONE) == (datetime.fromisoformat(since), datetime.fromisoformat(until))


CONCEPT = {"coding": [{"display": "no code"}, {"system": "a", "code": "1"}, {"system": "b", "code": "2"}]}


def test_a_code_is_read_by_its_system() -> None:
    assert elements.code_in(CONCEPT, "b") == "2"
    assert elements.code_in(CONCEPT, "b", "a") == "1"
    assert elements.code_in(CONCEPT) == "1"
    assert elements.code_in(CONCEPT, "c") is None
    assert elements.code_in(None) is None
    assert elements.has_code(CONCEPT, "a", "1") and not elements.has_code(CONCEPT, "a", "2")


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ({"reference": "Appointment/a"}, "a"),
        ({"reference": "Appointment/a/_history/3"}, "a"),
        ({"reference": "https://ehr.example/fhir/Appointment/a"}, "a"),
        ({"reference": "Encounter/a"}, None),
        ({"reference": "#a"}, None),
        ({"identifier": {"system": STAFF, "value": "a"}}, None),
        (None, None),
    ],
)
def test_a_target_is_the_id_of_a_literal_reference(reference: dict[str, object] | None, found: str | None) -> None:
    assert elements.target(reference, "Appointment") == found


@pytest.mark.parametrize("text", ["2025-03-01", "2025-03", "2025", "2025-03-01T09:30:00-05:00", "2025-03-01T09:30:00Z"])
@pytest.mark.parametrize("reader", [elements.happened, elements.planned, elements.planned_until])
def test_every_moment_is_read_as_one_of_utc(reader: Callable[[object, str, ProgramTime], datetime], text: str) -> None:
    """As the contract of the topics says of every instant on them."""
    assert reader(text, PLACE, TIME).utcoffset() == timedelta(0)
