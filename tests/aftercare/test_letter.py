"""The letter itself: what a patient reads, in which language, on one page; and what nobody reads in it."""

import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.activities import TABLE
from services.aftercare.letter import html, pdf
from services.aftercare.letter.composing import Gathered, Letter, composed
from services.aftercare.letter_texts import FILE, LANGUAGES, in_language, read, require_language
from shared.events.aftercare_plan import PlanActivity
from shared.platform.settings import ConfigurationError
from shared.rules.organization import Organization
from tests.aftercare.letters import LINK, NOTES, PHONE, PLANNED, PROGRAM, known, meeting, pages, printed
from tests.laws import examples
from tests.scripts import telling

CALM = (PlanActivity("mutual-help"),)


def letter(of: Gathered, language: str = "en") -> Letter:
    return composed(of, language, LANGUAGES[language])


def page(of: Gathered, language: str = "en") -> str:
    return html.written(letter(of, language)).decode()


def text(of: Gathered, language: str = "en") -> str:
    """The page without its tags, a line for each of its lines."""
    return unescape(re.sub(r"<[^>]*>+", "\n", page(of, language).partition("</style>")[2]))


def test_it_says_whom_to_call_now_by_day_and_by_night() -> None:
    for each in ("call 911", "988", "day and night: +1 555 555 0199", "reach us: +1 555 555 0100"):
        assert each in text(known())
    nobody = text(known(program=Organization(name="Riverbend")))
    assert "988" in nobody and "reach us" not in nobody


def test_it_says_how_to_join_each_meeting_where_it_is_and_when_on_the_patients_clock() -> None:
    shown = text(known(meeting(7, name="Morning Light")))
    for each in (
        "Monday, Wednesday, 6:30 PM: Morning Light",
        "In person: St. Anne's, 100 Sample Street, Riverbend (within 5 miles)",
        LINK,
        f"By phone: {PHONE}",
        f"To join: {NOTES}",
        "as of Monday, March 30, 2026",
        "please check with the group first",
        "From: Riverbend Intergroup",
    ):
        assert each in shown


@pytest.mark.parametrize(("venue", "way"), [("online", "Online: ask the group"), ("phone", "By phone: ask the group")])
def test_where_the_feed_does_not_say_how_the_group_is_asked(venue: str, way: str) -> None:
    assert way in text(known(meeting(venues=(venue,), link=None, phone=None, notes=None)))


def test_a_group_without_a_link_is_joined_by_its_own_page() -> None:
    assert "https://group.example/" in text(known(meeting(venues=("online",), link=None, url="https://group.example/")))


def test_meetings_that_nobody_publishes_any_more_are_counted_and_not_shown() -> None:
    shown = text(known(meeting(1), gone=2))
    assert "no longer published: 2" in shown and "Meeting 1" in shown and "Meeting 1000" not in shown


def test_without_a_list_there_is_no_word_of_meetings_and_without_contacts_none_of_them() -> None:
    shown = text(known(activities=(), days=()))
    for each in (LANGUAGES["en"].meetings, LANGUAGES["en"].contacts, LANGUAGES["en"].planned, LANGUAGES["en"].safe):
        assert each not in shown


def test_a_patient_with_nothing_near_is_told_that_they_join_from_afar() -> None:
    assert LANGUAGES["en"].none_near in text(known(meeting(), none_near=True))
    assert LANGUAGES["en"].none_near not in text(known(meeting()))


def test_the_contacts_ahead_are_named_by_their_days() -> None:
    assert "Thursday, April 2, 2026; Monday, April 6, 2026; Monday, April 13, 2026" in text(known())


def test_what_is_done_or_not_wanted_is_not_asked_for_again() -> None:
    steps = LANGUAGES["en"].steps
    shown = text(known(activities=(PlanActivity("alumni", "declined"), PlanActivity("peer-support", "scheduled"))))
    assert steps["alumni"] not in shown and steps["peer-support"] in shown
    assert steps["prescriber"] not in text(known(activities=(PlanActivity("prescriber", "completed"),)))


def test_an_appointment_that_a_partner_gave_stands_in_the_place_of_by_when_it_is_best() -> None:
    week = PLANNED + timedelta(days=7)
    activities = (PlanActivity("step-down", due_at=week), PlanActivity("alumni"))
    assert "care. Best by Monday, April 6, 2026." in text(known(activities=activities))
    given = {"step-down": datetime(2026, 4, 2, 13, 30, tzinfo=UTC)}
    shown = text(known(activities=activities, appointments=given))
    assert "care. It is on Thursday, April 2, 2026, at 9:30 AM." in shown and "Best by" not in shown
    spanish = text(known(activities=activities, appointments=given), "es")
    assert "Es el jueves 2 de abril de 2026 (9:30 a. m.)." in spanish
    assert "It is on" not in text(known(activities=(PlanActivity("step-down", "declined"),), appointments=given))


@pytest.mark.parametrize("choice", ["", "scheduled", "completed", "declined"])
def test_what_may_save_a_life_stands_there_whenever_it_is_called_for(choice: str) -> None:
    activities = tuple(PlanActivity(each, choice) for each in LANGUAGES["en"].safety)  # type: ignore[arg-type]
    shown = text(known(activities=activities))
    assert all(each in shown for each in LANGUAGES["en"].safety.values())
    assert not any(each in text(known(activities=CALM)) for each in LANGUAGES["en"].safety.values())


def test_in_spanish_days_months_and_times_are_spanish_too() -> None:
    shown = text(known(meeting()), "es")
    assert "lunes, miércoles, 6:30 p. m.: Meeting 0" in shown
    assert "jueves 2 de abril de 2026; lunes 6 de abril de 2026" in shown
    assert "oprima 2" in shown and f"Por teléfono: {PHONE}" in shown
    for english in ("Monday", "April", "You", "Meetings you"):
        assert english not in shown


@pytest.mark.parametrize(
    ("wished", "language"),
    [
        (["es", "en"], "es"),
        (["es-MX"], "es"),
        (["ES"], "es"),
        (["pl", "es"], "es"),
        ([None, "es"], "es"),
        (["pl"], "en"),
        (["", None], "en"),
        ([], "en"),
        (["spanish"], "en"),
    ],
)
def test_the_first_language_of_the_patients_that_has_texts_counts(wished: list[str | None], language: str) -> None:
    assert in_language(wished, "en") == (language, LANGUAGES[language])


def test_noon_and_midnight_are_read_right() -> None:
    read = [LANGUAGES["en"].clock(each) for each in ("00:05:00", "11:59:00", "12:00:00", "12:30:00", "23:00:00")]
    assert read == ["12:05 AM", "11:59 AM", "12:00 PM", "12:30 PM", "11:00 PM"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_above_the_plan_tells_a_stranger_of_what_it_is(language: str) -> None:
    texts = LANGUAGES[language]
    above = (texts.title, texts.not_yours, texts.help, texts.danger, texts.crisis, texts.day_and_night, texts.phone)
    assert [telling(each) for each in above] == [[]] * len(above)
    shown = text(known(meeting()), language)
    assert "Riverbend Intensive" not in shown and "patient" not in shown


def test_no_text_speaks_of_a_result_or_blames() -> None:
    for texts in LANGUAGES.values():
        every = " ".join([*texts.safety.values(), *texts.steps.values(), texts.contact_days]).lower()
        assert not re.search(r"\b(test|positiv|result|fail|must|debe|abus|addict|adict|clean|limpi)", every)


def test_html_of_a_feed_stays_text_and_nothing_comes_from_elsewhere() -> None:
    evil = "</h3><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    shown = page(known(meeting(name=evil, address=evil, notes=evil, phone=evil, link='https://x.example/"><script>')))
    assert set(re.findall(r"<(\w+)", shown)) == {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "a")
    }
    assert re.findall(r"\b(?:src|onerror|url\()\s*=", re.sub(r">[^<]*<", "><", shown)) == []
    assert evil in text(known(meeting(name=evil)))


def test_its_style_alone_is_allowed() -> None:
    style = re.findall(r"<style>(.*)</style>", page(known()))[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = html.HEADERS["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy and "script" not in policy
    assert html.HEADERS["Cache-Control"] == "no-store"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("count", [0, 1, 12, 100])
def test_as_many_meetings_as_have_room_are_printed_on_one_page_and_the_others_are_counted(
    language: str, count: int
) -> None:
    whole = letter(known(*map(meeting, range(count))), language)
    shown = pdf.written(whole)
    rows = printed(shown)
    there = len(re.findall(r"Meeting \d+", rows))
    assert pages(shown) == 1
    assert there == count if count <= 1 else there >= 2
    left_out = whole.texts.more.partition("{count}")[0].encode().decode("latin-1")
    if there < count:
        assert f": {count - there}." in rows
    assert (left_out[-10:] in rows) is (there < count)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_plan_has_room_for_a_meeting(language: str) -> None:
    program = Organization(name="x", phone="9" * 60, crisis_phone="8" * 60)
    longest = known(meeting(), days=range(1, 11), gone=3, none_near=True, program=program)
    shown = pdf.written(letter(longest, language))
    assert pages(shown) == 1 and "Meeting 0" in printed(shown)


def test_a_meeting_that_would_fill_the_page_leaves_its_room_to_the_others() -> None:
    rows = printed(pdf.written(letter(known(meeting(0, notes="x" * 1024), meeting(1), activities=CALM))))
    assert "Meeting 0" not in rows and "Meeting 1" in rows and "More meetings on your list: 1." in rows


def test_the_same_letter_is_the_same_bytes() -> None:
    several = known(*map(meeting, range(5)))
    for written in (html.written, pdf.written):
        assert written(letter(several)) == written(letter(several))
        assert written(letter(several)) != written(letter(known(*map(meeting, range(4)))))


def test_letters_that_the_font_lacks_are_shown_as_a_mark_and_the_page_says_so() -> None:
    rows = printed(pdf.written(letter(known(meeting(name="Первая")))))
    assert "6:30 PM: ??????" in rows and LANGUAGES["en"].unprintable in rows
    accents = printed(pdf.written(letter(known(meeting(name="Bőnő Țară")))))
    assert "Bono Tara" in accents and LANGUAGES["en"].unprintable not in accents


@settings(max_examples=examples(60))
@given(name=some.text(min_size=1, max_size=255), notes=some.text(max_size=300), link=some.text(max_size=200))
def test_whatever_a_feed_calls_a_meeting_it_is_one_page_with_that_meeting_on_it(
    name: str, notes: str, link: str
) -> None:
    whole = letter(known(meeting(name=name, notes=notes, link=f"https://x.example/{link}"), meeting(1)))
    assert pages(pdf.written(whole)) == 1
    written = html.written(whole).decode()
    assert "<script" not in written and written.count("<h3>") == 2


def test_each_language_has_all_of_the_plan() -> None:
    for texts in LANGUAGES.values():
        assert {*texts.safety, *texts.steps, "crisis-line"} == set(TABLE)


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("alumni =", "alumnus =", "must have each activity"),
        ('title = "For you"', 'title = "For {name}"', "title: must leave"),
        ("{days}", "these days", "contact_days: must leave to be filled in: days"),
        ('"Sunday", ', "", "days"),
        ('ask = "ask the group"', "", "ask"),
        ('danger = "If a life is in danger, call 911."', 'danger = ""', "danger"),
    ],
)
def test_a_table_that_lacks_a_text_or_leaves_another_gap_stops_the_start(
    tmp_path: Path, before: str, after: str, place: str
) -> None:
    wrong = tmp_path / "letters.toml"
    assert before in FILE.read_text()
    wrong.write_text(FILE.read_text().replace(before, after, 1))
    with pytest.raises(ConfigurationError, match=place):
        read(wrong)


def test_a_program_writes_in_a_language_that_has_texts() -> None:
    assert require_language("es", "program.demo.organization.language") == "es"
    with pytest.raises(ConfigurationError, match=r"program.demo.organization.language: must be one of en, es"):
        require_language("pl", "program.demo.organization.language")
    assert PROGRAM.language == "en"
