"""The wire, both ways: what is written can be read, and nothing else is ever taken for an event."""

import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from shared.events import wire
from shared.events.catalogue import BY_NAME, ENTRIES, OPERATIONS
from shared.events.codes import HUB, OWNER, ROLE, SUBSETTED
from shared.events.envelope import Event, name_id
from shared.events.escalation import EscalationRaised, EscalationUpdated
from shared.events.intake import ConsentsCurrent, DischargeWithdrawn, EpisodeAdmitted
from shared.events.wire import Unreadable, Written
from tests.events.examples import CAUSE, ESCALATION, EXAMPLES, PATIENT, TWO_HOURS_LATER, envelope
from tests.events.strategies import any_event, event
from tests.laws import examples

CONSUMED = [each for each in ENTRIES if each.read is not None]
BY_EVENT = {type(example).__name__: example for example in EXAMPLES}
ADMITTED = BY_EVENT["EpisodeAdmitted"]
LESS = settings(max_examples=examples(60))


def written(emitted: Event) -> Written:
    return wire.write(emitted, envelope(emitted))


def bundle(emitted: Event) -> Any:
    return json.loads(written(emitted).body)


@pytest.mark.parametrize("entry", CONSUMED, ids=lambda entry: entry.event.__name__)
@given(data=some.data())
@LESS
def test_what_is_written_is_read_as_the_same_event(entry: Any, data: some.DataObject) -> None:
    emitted = data.draw(event(entry.event))
    assert wire.read(entry.event.__name__, written(emitted).body) == emitted


@given(any_event)
@LESS
def test_the_envelope_of_any_event_is_read_from_its_headers_and_key(emitted: Event) -> None:
    assert wire.read_envelope(written(emitted).headers, PATIENT) == envelope(emitted)


def test_the_value_is_a_message_bundle_that_begins_with_its_header() -> None:
    message = bundle(ADMITTED)
    header, *resources = (each["resource"] for each in message["entry"])
    assert (message["resourceType"], message["type"]) == ("Bundle", "message")
    assert message["identifier"]["value"] == f"urn:uuid:{envelope(ADMITTED).id}"
    assert header["eventCoding"]["code"] == "EpisodeAdmitted"
    assert header["focus"] == [{"reference": f"EpisodeOfCare/{resources[0]['id']}"}]
    for each in message["entry"]:
        assert each["fullUrl"] == f"{HUB}/{each['resource']['resourceType']}/{each['resource']['id']}"


def test_a_record_that_no_topic_takes_is_not_written() -> None:
    """Kafka would refuse it each time, and the lane would never get past it."""
    cancelled = BY_EVENT["SessionCancelled"]
    assert written(msgspec.structs.replace(cancelled, reason="x" * (wire.RECORD_BYTES_MOST // 2)))
    with pytest.raises(OverflowError, match="record"):
        written(msgspec.structs.replace(cancelled, reason="x" * wire.RECORD_BYTES_MOST))


def test_a_signal_that_was_wrong_is_entered_in_error_and_stays_readable() -> None:
    updated = EscalationUpdated(escalation=ESCALATION, at=TWO_HOURS_LATER, gone=ESCALATION.signals[:1])
    statuses = [each["resource"].get("status") for each in bundle(updated)["entry"][2:]]
    assert statuses == [*("final" for _ in ESCALATION.signals), "entered-in-error"]
    assert wire.read("EscalationUpdated", written(updated).body) == updated


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: type(each).__name__)
def test_every_task_that_asks_a_role_codes_it_as_its_kind_of_performer(example: Event) -> None:
    tasks = [each["resource"] for each in bundle(example)["entry"] if each["resource"]["resourceType"] == "Task"]
    for task in tasks:
        owner = task.get("owner", {}).get("identifier", {})
        if owner.get("system") == ROLE:
            assert task["performerType"] == [{"coding": [{"system": OWNER, "code": owner["value"]}]}]


def test_an_overdue_task_says_so_after_an_update_too() -> None:
    updated = EscalationUpdated(escalation=ESCALATION, at=TWO_HOURS_LATER, accepted=True, overdue=True)
    task = bundle(updated)["entry"][1]["resource"]
    assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("accepted", "overdue")
    assert wire.read("EscalationUpdated", written(updated).body) == updated


def test_the_same_json_stands_in_the_read_model_and_on_the_topic_but_for_the_tag_of_a_part() -> None:
    sent = [each["resource"] for each in bundle(ADMITTED)["entry"][1:]]
    tagged = [each["resourceType"] for each in sent if each["meta"].pop("tag", None) == [SUBSETTED]]
    assert tagged == ["ServiceRequest", "Task"]
    assert [json.loads(encoded) for _, encoded in written(ADMITTED).resources] == sent


@pytest.mark.parametrize("emitted", EXAMPLES, ids=lambda emitted: type(emitted).__name__)
def test_everything_about_a_patient_is_labelled_and_nothing_else_is(emitted: Event) -> None:
    resources = [each["resource"] for each in bundle(emitted)["entry"][1:]]
    for each in (bundle(emitted), *resources) if resources else ():
        labels = [label["code"] for label in each.get("meta", {}).get("security", ())]
        assert labels == ([] if written(emitted).topic == OPERATIONS else ["R", "42CFRPart2", "SUD", "NORDSCLCD"])


@given(any_event)
@LESS
def test_a_bundle_holds_no_resource_twice(emitted: Event) -> None:
    addresses = [each["fullUrl"] for each in bundle(emitted)["entry"]]
    assert len(addresses) == len(set(addresses))


@pytest.mark.parametrize("emitted", EXAMPLES, ids=lambda emitted: type(emitted).__name__)
def test_the_headers_are_the_cloudevents_kafka_binding(emitted: Event) -> None:
    headers = written(emitted).headers
    name = type(emitted).__name__
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_id"] == str(envelope(emitted).id)
    assert headers["ce_source"] == f"{HUB}/{envelope(emitted).source}"
    assert headers["ce_type"] == f"org.iop-hub.{name}"
    assert headers["ce_dataschema"] == wire.SCHEMA
    assert headers["content-type"] == "application/fhir+json"
    assert datetime.fromisoformat(headers["ce_time"]) == TWO_HOURS_LATER
    assert headers["ce_correlationid"] == headers["ce_causationid"] == str(CAUSE)
    assert headers["ce_program"] == "demo"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
    assert ("ce_subject" in headers) == (not isinstance(emitted, ConsentsCurrent))
    for each in headers:
        assert re.fullmatch(r"ce_[a-z0-9]{1,20}|content-type|traceparent|iop-[a-z-]+", each)


@pytest.mark.parametrize("recorded", ["00", "01"])
def test_of_a_rows_headers_only_a_recorded_trace_is_read(recorded: str) -> None:
    context = f"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{recorded}"
    traced = wire.write(ADMITTED, replace(envelope(ADMITTED), traceparent=context)).headers
    assert wire.recorded_in(msgspec.json.encode(traced).decode()) == (context if recorded == "01" else None)
    assert wire.recorded_in(msgspec.json.encode(written(ADMITTED).headers).decode()) is None
    assert wire.recorded_in('{"traceparent":"00-01"') is None


def test_two_signals_of_one_report_are_two_issues() -> None:
    report = ESCALATION.signals[1]
    signals = (report, msgspec.structs.replace(report, code="opioid-with-sedative"))
    raised = EscalationRaised(escalation=msgspec.structs.replace(ESCALATION, signals=signals), at=TWO_HOURS_LATER)
    issues = {each["resource"]["id"] for each in bundle(raised)["entry"][2:]}
    assert len(issues) == 2


def test_an_escalation_can_be_filtered_by_its_headers() -> None:
    headers = written(BY_EVENT["EscalationAcknowledged"]).headers
    assert {name: headers[name] for name in headers if name.startswith("iop-")} == {
        "iop-tier": "T3",
        "iop-category": "combined",
        "iop-state": "acknowledged",
        "iop-ack-due": ESCALATION.acknowledge_by.isoformat(),
    }


@given(any_event)
@LESS
def test_headers_name_nobody_and_say_nothing_clinical(emitted: Event) -> None:
    headers = written(emitted).headers
    exempt = {"ce_subject", "ce_program", "traceparent"}
    for name, value in headers.items():
        assert value.isascii() and value.isprintable()
        if name not in exempt:
            assert PATIENT not in value
    for body in msgspec.to_builtins(emitted).values():
        if isinstance(body, str) and len(body) > 20 and "ce_subject" in headers:
            assert body not in {value for name, value in headers.items() if name != "ce_subject"}


def test_a_replay_says_the_same_ids() -> None:
    cause = UUID(int=7)
    assert name_id(cause, 0) == name_id(str(cause), 0) == str(uuid5(cause, "0"))
    assert name_id(cause, 0) != name_id(cause, 1)
    assert written(ADMITTED) == written(ADMITTED)


@pytest.mark.parametrize("name", ["", "Invented", "SessionMissed", "episodeadmitted"])
def test_an_event_that_nobody_hears_is_unreadable_by_its_name_alone(name: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        wire.read(name, b"not even looked at")
    assert refusal.value.place == "headers.ce_type"


def test_a_reader_knows_the_name_before_it_parses_anything() -> None:
    assert wire.event_name(written(ADMITTED).headers) == "EpisodeAdmitted"
    assert wire.event_name({"ce_type": "org.elsewhere.Invented"}) not in BY_NAME
    assert wire.event_name({}) == ""


@pytest.mark.parametrize("missing", ["ce_id", "ce_source", "ce_time", "ce_program", "ce_correlationid"])
def test_a_record_without_a_header_it_needs_is_unreadable(missing: str) -> None:
    headers = {name: value for name, value in written(ADMITTED).headers.items() if name != missing}
    with pytest.raises(Unreadable, match="headers"):
        wire.read_envelope(headers, PATIENT)


@pytest.mark.parametrize(
    ("name", "value"),
    [("ce_id", "MRN-4711"), ("ce_time", "yesterday"), ("ce_time", "2025-03-03T14:00:00"), ("ce_causationid", "")],
)
def test_a_header_of_another_form_is_unreadable_and_never_echoed(name: str, value: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        wire.read_envelope(written(ADMITTED).headers | {name: value}, PATIENT)
    assert str(refusal.value) == "headers"


@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"{", b"null", b"[]", b"[" * 100_000, b'{"entry": {}}'])
def test_a_value_that_is_no_bundle_is_unreadable(value: bytes | None) -> None:
    with pytest.raises(Unreadable, match="value"):
        wire.read("EpisodeAdmitted", value)


def test_nul_is_refused_because_postgresql_cannot_keep_it() -> None:
    body = written(ADMITTED).body.replace(b"opioid-history", b"opioid\\u0000history")
    with pytest.raises(Unreadable, match="NUL"):
        wire.read("EpisodeAdmitted", body)


def test_a_field_of_another_type_is_unreadable_before_it_can_enter_a_state() -> None:
    body = written(ADMITTED).body.replace(b'"duration":180', b'"duration":"180"')
    with pytest.raises(Unreadable) as refusal:
        wire.read("EpisodeAdmitted", body)
    assert refusal.value.place == "value of EpisodeAdmitted"
    assert "180" not in str(refusal.value)


@pytest.mark.parametrize("entry", CONSUMED, ids=lambda entry: entry.event.__name__)
@given(data=some.data())
@LESS
def test_a_resource_that_a_newer_release_adds_is_passed_over(entry: Any, data: some.DataObject) -> None:
    message = bundle(BY_EVENT[entry.event.__name__])
    place = data.draw(some.integers(0, len(message["entry"])))
    message["entry"].insert(place, {"resource": {"resourceType": "Basic", "code": "another shape"}})
    assert wire.read(entry.event.__name__, json.dumps(message).encode()) == BY_EVENT[entry.event.__name__]


def test_a_disposition_that_is_none_of_the_hubs_is_unreadable() -> None:
    value = written(BY_EVENT["EpisodeDischarged"]).body
    assert b'"completed"' in value
    with pytest.raises(Unreadable):
        wire.read("EpisodeDischarged", value.replace(b'"completed"', b'"vanished"'))


def test_an_id_by_which_others_are_named_is_a_uuid_or_unreadable() -> None:
    withdrawn = BY_EVENT["DischargeWithdrawn"]
    assert isinstance(withdrawn, DischargeWithdrawn)
    shortened = withdrawn.encounter_id[1:]
    value = written(withdrawn).body.replace(withdrawn.encounter_id.encode(), shortened.encode())
    with pytest.raises(Unreadable):
        wire.read("DischargeWithdrawn", value)


def test_an_instant_without_a_time_zone_is_unreadable() -> None:
    body = written(ADMITTED).body.replace(b"14:00:00Z", b"14:00:00")
    with pytest.raises(Unreadable):
        wire.read("EpisodeAdmitted", body)


def test_an_instant_of_another_time_zone_is_read_in_utc() -> None:
    body = written(ADMITTED).body.replace(b"14:00:00Z", b"09:00:00-05:00")
    admitted = wire.read("EpisodeAdmitted", body)
    assert isinstance(admitted, EpisodeAdmitted)
    assert admitted == ADMITTED
    assert admitted.admitted_at.isoformat() == "2025-03-03T14:00:00+00:00"


@pytest.mark.parametrize("entry", CONSUMED, ids=lambda entry: entry.event.__name__)
def test_an_event_with_an_id_that_is_none_is_unreadable_or_can_be_written_again(entry: Any) -> None:
    value = written(BY_EVENT[entry.event.__name__]).body
    for identity in set(re.findall(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", value)):
        damaged = value.replace(identity, identity[1:])
        try:
            emitted = wire.read(entry.event.__name__, damaged)
        except Unreadable:
            continue
        assert wire.read(entry.event.__name__, written(emitted).body) == emitted


mutations = some.tuples(some.integers(0, 10_000), some.integers(0, 12), some.binary(max_size=6))


@pytest.mark.parametrize("entry", CONSUMED, ids=lambda entry: entry.event.__name__)
@given(changes=some.lists(mutations, min_size=1, max_size=4))
@LESS
def test_a_damaged_value_is_read_as_an_event_of_that_name_or_unreadable(
    entry: Any, changes: list[tuple[int, int, bytes]]
) -> None:
    value = written(BY_EVENT[entry.event.__name__]).body
    for start, length, put in changes:
        at = start % len(value)
        value = value[:at] + put + value[at + length :]
    try:
        emitted = wire.read(entry.event.__name__, value)
    except Unreadable as refusal:
        assert refusal.place in (f"value of {entry.event.__name__}", "value: NUL")
    else:
        assert type(emitted) is entry.event
        assert wire.read(entry.event.__name__, written(emitted).body) == emitted


shapes = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=8),
    lambda within: some.lists(within, max_size=3) | some.dictionaries(some.text(max_size=8), within, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("entry", CONSUMED, ids=lambda entry: entry.event.__name__)
@given(data=some.data(), put=shapes)
@LESS
def test_another_shape_anywhere_in_a_value_is_read_or_unreadable(entry: Any, data: some.DataObject, put: Any) -> None:
    message = bundle(BY_EVENT[entry.event.__name__])
    place = data.draw(some.sampled_from(list(_places(message))))
    _put(message, place, put)
    try:
        emitted = wire.read(entry.event.__name__, json.dumps(message).encode())
    except Unreadable:
        return
    assert msgspec.convert(msgspec.to_builtins(emitted), type=entry.event) == emitted


def _places(value: Any, within: tuple[Any, ...] = ()) -> Any:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*within, step)
        yield from _places(inner, (*within, step))


def _put(value: Any, place: tuple[Any, ...], put: Any) -> None:
    *way, last = place
    for step in way:
        value = value[step]
    value[last] = put


@given(some.uuids(), some.text(max_size=60))
def test_a_made_id_is_the_uuid5_of_its_cause_and_name(cause: UUID, name: str) -> None:
    assert name_id(cause, name) == name_id(str(cause), name) == str(uuid5(cause, name))
