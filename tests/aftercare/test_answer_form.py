"""What an answer to a referrer holds: its own number, a state and a time, with notice and scope; and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.answers.form import STATUSES, answer
from services.aftercare.answers.partner_answers import ENDINGS, FIELDS_OF_COURT
from services.intake.decide.referrers import AS_ANSWERED
from shared.edge.fhir import parse, validate
from shared.events.intake.placement import ReferralState
from shared.events.partner_answer import AnswerPrepared
from shared.path.outbound.accompanied import NOTICE
from shared.rules.consent import Permitted, Withheld
from shared.rules.partner_kinds import ATTENDANCE, COMPLETION, REFERRAL_STATE
from tests.aftercare.given import DISCHARGED
from tests.aftercare.test_form import CONSENT_ID, PATIENT, PATIENT_ID, SENDER, UNTIL, ZONE, one, release
from tests.laws import examples
from tests.shared.rules.partners import COURT, HOSPITAL

THEIRS = {"system": "https://hospital.example.org/orders", "value": "R-17"}
OWN = {"system": "https://iop-hub.org/fhir/NamingSystem/referral", "value": "7c1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e"}


def prepared(state: str = "in-review", number: str = "sealed") -> AnswerPrepared:
    return AnswerPrepared(
        answer_id="8d1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4f",
        referral_id=OWN["value"],
        partner="hospital",
        purpose="TREAT",
        state=state,
        changed_at=DISCHARGED,
        attempt=1,
        at=DISCHARGED,
        number=number,
    )


def opened(sealed: Sequence[str]) -> Mapping[str, Any] | None:
    return {"identifier": [THEIRS]} if list(sealed) == ["sealed"] else None


def sent(event: AnswerPrepared, consent_id: str | None = CONSENT_ID) -> Any:
    permitted = Permitted(consent_id, (REFERRAL_STATE,), UNTIL)
    return answer(event, release(permitted, HOSPITAL, PATIENT), SENDER, ZONE, opened)


@pytest.mark.parametrize("state", sorted(STATUSES))
@pytest.mark.parametrize("consent_id", [None, CONSENT_ID])
def test_it_is_valid_fhir_in_every_state(state: str, consent_id: str | None) -> None:
    bundle = parse(msgspec.json.encode(sent(prepared(state), consent_id)))
    assert [*validate(bundle), *(issue for each in bundle["entry"] for issue in validate(each["resource"]))] == []


def test_every_state_in_which_a_referral_may_stand_can_be_answered() -> None:
    assert {AS_ANSWERED.get(each, each) for each in get_args(ReferralState)} == set(STATUSES) - set(ENDINGS.values())
    assert "recommended" not in STATUSES


def test_it_holds_their_number_the_state_and_the_time_and_nothing_of_the_patient() -> None:
    bundle = sent(prepared())
    task = one(bundle, "Task")
    assert {name: task[name] for name in ("status", "lastModified", "focus", "basedOn")} == {
        "status": "received",
        "lastModified": DISCHARGED,
        "focus": {"type": "ServiceRequest", "identifier": THEIRS},
        "basedOn": [{"type": "ServiceRequest", "identifier": THEIRS}],
    }
    assert set(task) - {"status", "lastModified", "focus", "basedOn", "businessStatus"} == {
        "resourceType",
        "meta",
        "identifier",
        "intent",
        "code",
        "requester",
        "owner",
    }
    assert "Patient" not in [each["resource"]["resourceType"] for each in bundle["entry"]]
    assert PATIENT_ID not in str(bundle) and "Seeded" not in str(bundle)


@pytest.mark.parametrize("state", sorted(STATUSES))
@pytest.mark.parametrize("fields", [(ATTENDANCE,), (COMPLETION,), (ATTENDANCE, COMPLETION)])
def test_a_court_is_told_what_the_consent_names_and_nothing_before_it(state: str, fields: tuple[str, ...]) -> None:
    event = msgspec.structs.replace(prepared(state), of_stay=True, partner="court")
    bundle = answer(event, release(Permitted(CONSENT_ID, fields, UNTIL), COURT, PATIENT), SENDER, ZONE, opened)
    if FIELDS_OF_COURT.get(state) not in fields:
        assert bundle == Withheld("consent-lacks-a-field")
        return
    assert not isinstance(bundle, Withheld)
    assert one(bundle, "Task")["businessStatus"]["coding"][0]["code"] == state
    assert "Seeded" not in str(bundle) and "not revocable before its event" in str(bundle)


def test_notice_and_scope_go_along() -> None:
    notice, scope = (each["contentString"] for each in one(sent(prepared()), "Communication")["payload"])
    assert notice == NOTICE
    assert scope == (
        f"Consent {CONSENT_ID} permits telling riverbend-hospital where its referral stands, and nothing else: "
        "referral-state; for the purpose TREAT until 2026-03-31; revocable at any time."
    )


def test_the_partner_has_one_task_of_each_referral_whose_status_moves() -> None:
    requests = {each["resource"]["resourceType"]: each["request"] for each in sent(prepared())["entry"]}
    assert requests["Task"] == {"method": "PUT", "url": f"Task?identifier={OWN['system']}|{OWN['value']}"}
    assert requests["Communication"]["method"] == "POST"


def test_without_a_number_of_theirs_the_hubs_id_of_it_stands_there() -> None:
    assert one(sent(prepared(number="")), "Task")["focus"] == {"type": "ServiceRequest", "identifier": OWN}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (prepared("a-state-of-next-year"), "referral-state-unknown"),
        (prepared("recommended"), "referral-state-unknown"),
        (prepared(number="sealed under a key that is no more"), "referral-number-unreadable"),
    ],
)
def test_what_cannot_be_said_is_withheld_and_not_guessed(event: AnswerPrepared, reason: str) -> None:
    assert sent(event) == Withheld(reason)


@settings(max_examples=examples(60))
@given(some.text(), some.sampled_from(["2.1", "R12", "moud", "needs-missing"]))
def test_nothing_but_a_known_state_ever_comes_out(state: str, clinical: str) -> None:
    bundle = sent(prepared(state))
    assert isinstance(bundle, Withheld) == (state not in STATUSES)
    assert f'"{clinical}"' not in msgspec.json.encode(sent(prepared())).decode()
