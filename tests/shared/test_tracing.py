"""Traces: junk refuses nobody, and no span leaves that holds what is not listed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events import traceparent
from shared.platform import collector, tracing
from shared.platform.settings import ConfigurationError
from tests.laws import examples
from tests.traced import CALLER, OTHER, RECORDED, TRACE, Traces


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "Doe^Jane",
        f"00-{TRACE}-{CALLER}",
        f"00-{TRACE}-{CALLER}-01-more",
        f"00-{TRACE.upper()}-{CALLER}-01",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{CALLER}-01",
        f" {RECORDED}",
        f"{RECORDED}\n",
    ],
)
def test_what_is_no_context_begins_another_trace(junk: str) -> None:
    assert traceparent.read(junk) is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (RECORDED, RECORDED),
        (f"00-{TRACE}-{CALLER}-00", f"00-{TRACE}-{CALLER}-00"),
        (f"00-{TRACE}-{CALLER}-ff", RECORDED),
        (f"cc-{TRACE}-{CALLER}-01-of-a-later-version", RECORDED),
    ],
)
def test_a_context_is_read_as_the_standard_asks(text: str, read: str) -> None:
    assert traceparent.read(text) == read


@settings(max_examples=examples(200))
@given(st.text())
def test_anything_may_be_asked_and_only_a_context_comes_of_it(text: str) -> None:
    assert traceparent.read(text) in (None, text)


@pytest.mark.parametrize("attributes", [{"patient": "p-1"}, {"http.route": "/fhir", "url.query": "name=Doe"}])
def test_a_span_with_an_attribute_outside_the_list_does_not_leave(traces: Traces, attributes: dict[str, str]) -> None:
    with traces.tracer.start_as_current_span("edge", attributes=attributes):
        pass
    assert traces.spans == []


def test_neither_an_error_with_its_text_nor_an_event_leaves(traces: Traces) -> None:
    with pytest.raises(ValueError, match="Doe"), traces.tracer.start_as_current_span("edge"):
        raise ValueError("Doe")
    with traces.tracer.start_as_current_span("edge") as span:
        span.add_event("Doe")
    assert traces.spans == []


def test_our_own_span_of_an_error_leaves_without_its_text(traces: Traces) -> None:
    with pytest.raises(ValueError, match="Doe"), tracing.span("edge", route="/fhir"):
        raise ValueError("Doe")
    (span,) = traces.spans
    assert (span.status.is_ok, span.status.description, span.events) == (False, None, ())


def test_our_own_spans_take_no_attribute_outside_the_list(traces: Traces) -> None:
    more: dict[str, Any] = {"patient": "p-1"}
    with pytest.raises(KeyError), tracing.span("edge", **more):
        pass


def test_without_a_collector_nothing_is_recorded_and_the_callers_context_is_passed_on() -> None:
    with tracing.span("edge", RECORDED) as span, tracing.span("submission"):
        assert tracing.present() == span.traceparent == RECORDED
    assert tracing.present() is None


def test_what_nobody_records_is_passed_on_and_no_span_is_made_of_it(traces: Traces) -> None:
    ours, others = f"00-{TRACE}-{CALLER}-00", f"00-{OTHER}-{CALLER}-00"
    with tracing.span("edge", ours), tracing.meeting("batch", [ours, others], count=2):
        with tracing.part("decide", others, event="SessionMissed") as part:
            part.ended(outcome="Committed")
            assert tracing.present() == part.traceparent == others
        assert tracing.present() == ours
    assert (tracing.present(), traces.spans) == (None, [])


def test_only_the_callers_own_span_is_remote_to_the_one_below_it(traces: Traces) -> None:
    with tracing.span("edge", RECORDED), tracing.span("submission"):
        pass
    submission, edge = traces.spans
    assert edge.parent is not None and submission.parent is not None
    assert (edge.parent.is_remote, submission.parent.is_remote) == (True, False)
    assert submission.parent == edge.context


def test_what_meets_many_is_linked_to_no_more_of_them_than_a_span_may_hold(traces: Traces) -> None:
    causes = [f"00-{number:032x}-{CALLER}-01" for number in range(1, tracing.LINKS_MOST + 9)]
    with tracing.meeting("batch", causes, count=len(causes)):
        pass
    (batch,) = traces.spans
    assert len(batch.links) == tracing.LINKS_MOST


@pytest.mark.parametrize(
    ("sampler", "share", "of_the_caller", "begun_here"),
    [
        (None, "0", True, False),
        (None, "1", True, True),
        ("parentbased_always_on", None, True, True),
        ("always_off", None, False, False),
        ("traceidratio", "0", False, False),
        ("always_on", None, True, True),
    ],
)
def test_what_is_recorded_is_as_the_sampler_says_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, sampler: str | None, share: str | None, of_the_caller: bool, begun_here: bool
) -> None:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from shared.platform import trace_export

    for name, value in ((trace_export.SAMPLER, sampler), (f"{trace_export.SAMPLER}_ARG", share)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    exporter = InMemorySpanExporter()
    recorder = trace_export.recorder("intake", "0", exporter)
    tracing.record(recorder)
    try:
        for context, is_recorded in ((RECORDED, of_the_caller), (None, begun_here)):
            with tracing.span("edge", context) as span:
                assert traceparent.is_recorded(span.traceparent) == is_recorded
        recorder.flush()
    finally:
        tracing.record(None)
    assert len(exporter.get_finished_spans()) == of_the_caller + begun_here


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector:4317"])
def test_an_address_that_is_none_is_refused_at_start(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv(collector.ENDPOINT, endpoint)
    with pytest.raises(ConfigurationError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        collector.start("intake", "0")


def test_where_opentelemetry_is_switched_off_nothing_is_recorded_whoever_collects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(collector.ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    collector.start("intake", "0")
    assert not tracing.is_on()


@pytest.mark.parametrize("share", ["all", "1.5"])
def test_a_share_that_is_none_is_refused_at_start(monkeypatch: pytest.MonkeyPatch, share: str) -> None:
    monkeypatch.setenv(collector.ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", share)
    with pytest.raises(ConfigurationError, match="OTEL_TRACES_SAMPLER_ARG"):
        collector.start("intake", "0")
