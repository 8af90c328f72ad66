"""The outcome of an entry says what its resource decides: what is too old for it, or taken back, says so."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.placement.evidence import merged, standing
from shared.platform.keys import Keys
from tests.intake import bundles
from tests.intake.bundles import MONDAY
from tests.intake.given import SETTINGS
from tests.intake.story import Story
from tests.intake.test_interpret import (
    WHO,
    clinical,
    commands_of,
    interpreted,
    keys,
    loinc,
    one,
    remarks_of,
)
from tests.laws import examples

__all__ = ["keys"]
Json = dict[str, Any]
ITEM = (
    "not read: an item; its total is summed once all items of its minute and performer, or of a panel that has it as"
    " member, are there"
)
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def verified(status: str) -> Json:
    return {"verificationStatus": {"coding": [{"system": VERIFICATION, "code": status}]}}


def days_ago(days: int) -> str:
    return (MONDAY - timedelta(days=days)).isoformat()


def without_time(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name != "effectiveDateTime"}


@pytest.mark.parametrize(
    ("resource", "remarks"),
    [
        (bundles.condition(WHO, "T40.1X1A") | verified("entered-in-error"), ["read as taken back"]),
        (bundles.condition(WHO, "R07.9") | verified("entered-in-error"), ["read as taken back"]),
        (bundles.condition(WHO, "F11.20") | verified("refuted"), ["not read: refuted"]),
        (
            bundles.condition(WHO, "F11.20") | verified("confirmed"),
            ["read as opioid-use-disorder", "read as dsm-5-criteria"],
        ),
        (bundles.need(WHO, "biomedical", "1.0") | {"status": "entered-in-error"}, ["read as taken back"]),
        (without_time(bundles.need(WHO, "biomedical", "1.0")) | {"status": "entered-in-error"}, ["read as taken back"]),
        (bundles.need(WHO, "biomedical", "1.0"), ["read as biomedical"]),
    ],
)
def test_what_is_taken_back_says_so_whatever_its_type(keys: Keys, resource: Json, remarks: list[str]) -> None:
    assert remarks_of(keys, resource) == remarks


def test_a_need_entered_in_error_is_taken_back_though_its_time_is_gone(keys: Keys) -> None:
    mistaken = without_time(bundles.need(WHO, "biomedical", "1.0")) | {"status": "entered-in-error"}
    (stated,) = one(commands_of(keys, mistaken, method="PUT"), w.RecordAssessment).needs
    assert (stated.dimension, stated.level) == ("biomedical", "entered-in-error")


def test_an_old_overdose_is_read_as_history_and_as_too_old_to_alarm(keys: Keys) -> None:
    before = bundles.condition(WHO, "T40.1X1A") | {"onsetDateTime": days_ago(100)}
    assert remarks_of(keys, before) == [
        "read as current-overdose",
        "current-overdose: older than its window",
        "read as recent-overdose",
        "recent-overdose: older than its window",
        "read as overdose-history",
    ]
    assert "older than its window" not in " ".join(remarks_of(keys, bundles.condition(WHO, "T40.1X1A")))


@pytest.mark.parametrize(("days", "comes_of_it"), [(90, "a person is asked"), (91, "older than its window")])
def test_of_an_overdose_without_an_intent_a_person_is_asked_as_long_as_self_harm_would_count(
    keys: Keys, days: int, comes_of_it: str
) -> None:
    sent = bundles.condition(WHO, "T40.1") | {"onsetDateTime": days_ago(days)}
    assert remarks_of(keys, sent) == [f"not read: intent or 7th character missing; {comes_of_it}"]
    raised = Story().and_then(*commands_of(keys, sent)).state.escalations
    assert len(raised) == (comes_of_it == "a person is asked")


@pytest.mark.parametrize(("days", "lines"), [(7, []), (8, ["biomedical: older than its window"])])
def test_a_need_that_is_too_old_to_place_by_says_so(keys: Keys, days: int, lines: list[str]) -> None:
    assert SETTINGS.assessment_days == 7
    sent = bundles.need(WHO, "biomedical", "1.0", MONDAY - timedelta(days=days))
    assert remarks_of(keys, sent) == ["read as biomedical", *lines]


def test_a_total_of_old_items_is_as_old_as_they_are(keys: Keys) -> None:
    items = [loinc(f"6851{n}", valueInteger=4) for n in ("8-0", "9-8")] + [loinc("68520-6", valueInteger=4)]
    lines = [
        each.diagnostics
        for issues in interpreted(keys, *(each | {"effectiveDateTime": days_ago(8)} for each in items)).remarks.values()
        for each in issues
    ]
    assert lines.count("read as audit-c: summed from its items") == lines.count("audit-c: older than its window") == 3


BEFORE = "what it said before counts no more"
ANSWERED = loinc("93249-1", valueString="Yes")


@pytest.mark.parametrize(
    ("resource", "before", "lines"),
    [
        (ANSWERED | {"status": "cancelled"}, ANSWERED, ["not read: status", BEFORE]),
        (loinc("8867-4", valueInteger=70), ANSWERED, ["not read: code unknown", BEFORE]),
        (loinc("93249-1"), ANSWERED, ["not read: no answer", BEFORE]),
        (
            bundles.condition(WHO, "F11.20") | verified("refuted"),
            bundles.condition(WHO, "F11.20"),
            ["not read: refuted", BEFORE],
        ),
        (ANSWERED | {"status": "cancelled"}, ANSWERED | {"status": "registered"}, ["not read: status"]),
        (ANSWERED | {"status": "entered-in-error"}, ANSWERED, ["read as taken back"]),
        (loinc("93249-1", valueString="No"), ANSWERED, ["read as c-ssrs-q4"]),
        (
            loinc("93249-1", valueString="perhaps"),
            ANSWERED,
            ["not read: answer unknown; a person is asked"],
        ),
        (loinc("68518-0", valueInteger=4), loinc("68518-0", valueInteger=3), [ITEM]),
    ],
)
def test_an_update_of_which_nothing_is_read_says_that_what_it_said_before_counts_no_more(
    keys: Keys, resource: Json, before: Json, lines: list[str]
) -> None:
    assert remarks_of(keys, resource, before) == lines


@given(status=some.sampled_from(["final", "cancelled", "registered", "unknown", "entered-in-error"]))
@settings(max_examples=examples(10))
def test_it_says_so_only_where_the_evidence_of_before_is_gone(keys: Keys, status: str) -> None:
    again = ANSWERED | {"status": status}
    recorded = one(commands_of(keys, again, method="PUT", before=ANSWERED), w.RecordAssessment)
    stands = [each.code for each in recorded.findings]
    assert recorded.sources and (BEFORE in remarks_of(keys, again, ANSWERED)) <= (stands == [])


def test_what_is_sent_for_the_first_time_said_nothing_before(keys: Keys) -> None:
    assert remarks_of(keys, ANSWERED | {"status": "cancelled"}) == ["not read: status"]


RESOURCES = [
    lambda at: bundles.condition(WHO, "T40.1X2A") | {"onsetDateTime": at},
    lambda at: bundles.condition(WHO, "F10.231") | {"onsetDateTime": at},
    lambda at: bundles.condition(WHO, "Z59.02", MONDAY) | {"recordedDate": at} | clinical("active"),
    lambda at: loinc("93269-9", valueBoolean=True, effectiveDateTime=at),
    lambda at: loinc("44261-6", valueInteger=20, effectiveDateTime=at),
    lambda at: loinc("82810-3", valueBoolean=True, effectiveDateTime=at),
]


@given(resource=some.sampled_from(RESOURCES), days=some.integers(0, 400))
@settings(max_examples=examples(60))
def test_of_every_type_what_is_read_as_current_stands_and_what_is_older_does_not(
    keys: Keys, resource: Any, days: int
) -> None:
    sent = resource(days_ago(days))
    lines = remarks_of(keys, sent)
    recorded = [each for each in commands_of(keys, sent) if isinstance(each, w.RecordAssessment | w.RecordConditions)]
    for finding in (finding for each in recorded for finding in each.findings):
        stands = standing(finding.code, merged({}, [finding]).get(finding.code, ()), MONDAY)
        assert f"read as {finding.code}" in lines
        assert (f"{finding.code}: older than its window" in lines) == (stands is None or stands.old)


@pytest.mark.parametrize("status", ["completed", "on-hold"])
def test_a_referral_that_its_sender_puts_otherwise_is_one_still_and_the_outcome_says_what_takes_it_back(
    keys: Keys, status: str
) -> None:
    before = bundles.referral(WHO)
    now = before | {"status": status}
    assert commands_of(keys, now, method="PUT", before=before) == ()
    assert remarks_of(keys, now, before) == [
        "read as a referral, whose status the hub says; put it as revoked to take it back"
    ]
