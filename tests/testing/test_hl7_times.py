"""When it was, as HL7 v2 says it: with an offset, with that of its message, in the program's zone, or not at all."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.testing.hl7 import Fault, Nak
from services.testing.hl7.times import MessageTimes
from shared.edge.moments import ProgramTime
from tests.laws import examples
from tests.testing.test_hl7 import MSH, OBR, OBX, PID, only_report, refused

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
TIME = ProgramTime(NEW_YORK, NOW, timedelta(minutes=60))
WITH_OFFSET, WITHOUT = "20260105090000-0500", "20260105090000"


def read(written: str, sent: str = WITHOUT) -> datetime | None:
    return MessageTimes(TIME, sent).happened(written, "OBR^1^7")


def refusal(written: str) -> Fault:
    with pytest.raises(Nak) as refused:
        read(written)
    return refused.value.fault


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("20250309083015.1234-0400", datetime(2025, 3, 9, 12, 30, 15, 123400, tzinfo=UTC)),
        ("202503090830+0000", datetime(2025, 3, 9, 8, 30, tzinfo=UTC)),
        ("202501150830", datetime(2025, 1, 15, 13, 30, tzinfo=UTC)),
        ("202507150830", datetime(2025, 7, 15, 12, 30, tzinfo=UTC)),
        ("20250115", datetime(2025, 1, 15, 5, 0, tzinfo=UTC)),
        ("20250115-0800", datetime(2025, 1, 15, 8, 0, tzinfo=UTC)),
        ("20250309083000Z", datetime(2025, 3, 9, 8, 30, tzinfo=UTC)),
        ("2025-03-09T08:30:00Z", datetime(2025, 3, 9, 8, 30, tzinfo=UTC)),
        ("2025-03-09T08:30:00.5-04:00", datetime(2025, 3, 9, 12, 30, 0, 500000, tzinfo=UTC)),
        ("20250309T0830-0400", datetime(2025, 3, 9, 12, 30, tzinfo=UTC)),
        ("2025-03-09 08:30", datetime(2025, 3, 9, 12, 30, tzinfo=UTC)),
        ("2025-07-15", datetime(2025, 7, 15, 4, 0, tzinfo=UTC)),
        ("", None),
        ("2025", None),
        ("202503", None),
        ("2025-03", None),
        ("2025-0400", None),
    ],
)
def test_a_time_is_read_in_each_form_that_senders_write(written: str, instant: datetime | None) -> None:
    assert read(written) == instant


def test_an_offset_of_the_message_is_that_of_every_time_of_day_without_one() -> None:
    assert read("202507150830", WITH_OFFSET) == datetime(2025, 7, 15, 13, 30, tzinfo=UTC)
    assert read("202507150830Z", WITH_OFFSET) == datetime(2025, 7, 15, 8, 30, tzinfo=UTC)
    assert read("20250715", WITH_OFFSET) == datetime(2025, 7, 15, 4, 0, tzinfo=UTC)


def test_a_whole_message_is_read_by_its_own_offset() -> None:
    sent_in_utc = MSH.replace("20250310120000-0400", "20250310160000+0000")
    report = only_report(sent_in_utc, PID, OBR.replace("20250309083000-0400", "20250309123000"), OBX)
    assert report.collected_at == datetime(2025, 3, 9, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "yesterday",
        "20251399",
        "20250230",
        "20250309240000",
        "20250309083060",
        "18991231",
        "99991231235959",
        "20250309083000-9900",
        "20250309083000-0475",
        "2025/03/09",
        "20260105160100Z",
        "20270105",
        "20250309083000EST",
    ],
)
def test_what_is_no_time_or_lies_ahead_is_refused_with_its_place(written: str) -> None:
    assert refusal(written) == Fault("OBR^1^7", 102)


def test_a_senders_clock_may_be_an_hour_ahead() -> None:
    assert read("20260105150000Z") == NOW + timedelta(hours=1)
    assert refusal("20260105150001Z").location == "OBR^1^7"


@pytest.mark.parametrize("field", ["SPM-17", "OBR-7", "OBR-22", "OBX-14"])
def test_no_time_of_a_message_may_lie_ahead(field: str) -> None:
    segment, number = field.split("-")
    fields = {"OBR": OBR, "OBX": OBX, "SPM": "SPM|1|S9"}[segment].split("|")
    fields += [""] * (int(number) + 1 - len(fields))
    fields[int(number)] = "20260309083000-0400"
    ahead = "|".join(fields)
    without = OBR.replace("20250309083000-0400", "") if segment == "OBX" else OBR
    segments = {"OBR": (ahead, OBX), "OBX": (without, ahead), "SPM": (OBR, OBX, ahead)}[segment]
    assert refused(MSH, PID, *segments) == ("AE", f"{segment}^1^{number}", 102)


@st.composite
def times(draw: st.DrawFn) -> tuple[str, datetime | None, timedelta]:
    """A DTM of any precision from hours on, the local time it says, and its offset from UTC."""
    year = draw(st.sampled_from([1, 1899, 1900, 2025, 2026, 9998, 9999]) | st.integers(1, 9999))
    day = date(year, draw(st.integers(1, 12)), draw(st.integers(1, 28)))
    clock = time(draw(st.integers(0, 23)), draw(st.integers(0, 59)), draw(st.integers(0, 59)))
    minutes = draw(st.integers(-14 * 60, 14 * 60))
    precision = draw(st.sampled_from([2, 4, 6]))
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    digits = clock.strftime("%H%M%S")[:precision]
    stated = time(clock.hour, clock.minute if precision > 2 else 0, clock.second if precision > 4 else 0)
    written = f"{day.year:04}{day:%m%d}{digits}{offset}"
    return written, datetime.combine(day, stated), timedelta(minutes=minutes)


@settings(max_examples=examples(300))
@given(times())
@example(("99991231235959-0500", datetime(9999, 12, 31, 23, 59, 59), timedelta(hours=-5)))
def test_any_time_that_hl7_knows_is_its_instant_or_refused(stated: tuple[str, datetime, timedelta]) -> None:
    written, local, offset = stated
    try:
        found = read(written)
    except Nak as refused:
        assert refused.fault == Fault("OBR^1^7", 102)
        at_most = (NOW + timedelta(minutes=60)).replace(tzinfo=None)
        assert not 1900 <= local.year <= 9998 or local - offset > at_most
    else:
        assert found == local.replace(tzinfo=timezone(offset))


@settings(max_examples=examples(300))
@given(st.text(st.sampled_from("0123456789TZ+-:. "), max_size=26))
def test_whatever_stands_where_a_time_should_is_read_or_refused(written: str) -> None:
    for sent in (written, WITHOUT):
        try:
            read(written, sent)
        except Nak as refused:
            assert refused.fault.number == 102


def test_a_time_that_comes_again_is_read_once_and_a_wrong_one_refused_wherever_it_stands() -> None:
    times = MessageTimes(TIME, WITHOUT)
    assert times.happened(WITH_OFFSET, "OBX^1^14") == times.happened(WITH_OFFSET, "OBX^2^14")
    for place in ("OBX^1^14", "OBX^2^14"):
        with pytest.raises(Nak) as wrong:
            times.happened("soon", place)
        assert wrong.value.fault.location == place
