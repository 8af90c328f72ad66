"""What is said to a patient after the discharge: by every channel, and nothing of it tells a stranger of what."""

from datetime import timedelta
from typing import Any, get_args

import pytest

from services.aftercare.definitions import ANSWERS, FELLOWSHIPS, FILE, TABLE, WISHES, definitions
from services.aftercare.edge.meetings import NO_WISH
from services.aftercare.meetings import wishes
from services.aftercare.meetings.wishes import CODES
from services.aftercare.messages import FollowUpFellDue
from shared.events import codes
from shared.events.contact import QUESTIONS, answers_to
from shared.events.escalation import CONTACT_SCRIPTS, EscalationRaised
from shared.events.outreach import Channel
from shared.platform.scripts import Script
from shared.platform.settings import programs
from tests.aftercare.given import DISCHARGED, discharged
from tests.aftercare.story import in_care
from tests.scripts import telling
from tests.story import only

TEXTS = [
    pytest.param(script, id=f"{name}-{channel}")
    for name, its in TABLE.items()
    for channel, script in its.channels.items()
]


@pytest.mark.parametrize("script", TEXTS)
def test_no_script_names_the_program_the_disorder_a_treatment_or_a_result(script: Script) -> None:
    assert telling(script.text) == []


@pytest.mark.parametrize("script", TEXTS)
def test_no_script_names_an_organization_of_the_settings(script: Script) -> None:
    for its in programs(FILE.parents[3] / "deploy").values():
        assert str(its["organization"]["name"]).split()[0].lower() not in script.text.lower()


@pytest.mark.parametrize("name", sorted(CONTACT_SCRIPTS))
def test_each_medium_in_which_an_attempt_is_reported_has_a_script(name: str) -> None:
    assert {each.medium for each in TABLE[name].channels.values()} == set(get_args(Channel))


@pytest.mark.parametrize("name", sorted(CONTACT_SCRIPTS))
def test_what_is_left_with_somebody_else_says_whom_to_call_back(name: str) -> None:
    assert all("{number}" in TABLE[name].channels[each].text for each in ("voicemail", "text", "email", "letter"))


def test_the_task_of_a_contact_and_of_asking_back_names_the_script_that_is_read_at_aftercare() -> None:
    patient = in_care()
    asked = only(patient.then(discharged("ama")), EscalationRaised)
    due = only(patient.until(DISCHARGED + timedelta(days=3)), FollowUpFellDue)
    named = []
    for event in (*asked, *due):
        task: Any = event.write("patient")[0]
        named += [each["valueCanonical"] for each in task["input"] if "valueCanonical" in each]
    urls = {each["url"] for each in definitions().values()}
    assert len(named) == len(asked) + len(due) == 4
    assert set(named) < urls


def test_each_answer_that_may_be_stated_is_said_in_plain_english() -> None:
    stated = {code for question in QUESTIONS for code in answers_to(question)}
    assert stated == ANSWERS.keys() - {"uncoded"}


def test_each_wish_and_each_fellowship_that_may_be_stated_has_words() -> None:
    assert WISHES.keys() == {*CODES, NO_WISH}
    assert FELLOWSHIPS.keys() == wishes.FELLOWSHIPS
    named = {each["url"]: each["concept"] for each in definitions().values() if each["resourceType"] == "CodeSystem"}
    assert {each["code"] for each in named[codes.MEETING_WISH]} == WISHES.keys()
    assert {each["code"] for each in named[codes.FELLOWSHIP]} == FELLOWSHIPS.keys()
