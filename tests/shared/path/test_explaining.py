"""Why something stands as it does, as a person would give it: exact text for five cases, from journals made here."""

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest

from services.intake.messages import RecordAssessment, SignPlacement
from services.testing.messages import OrderDrugTest, SendOrderAgain
from shared.events.aftercare import ReferralPrepared
from shared.events.envelope import Command, Event
from shared.events.escalation import EscalationEvent
from shared.events.intake import LevelOfCareRecommended
from shared.events.internal import DisclosureMade, DisclosureRefused
from shared.events.laboratory_order import LaboratoryOrderPrepared
from shared.path.service import Service
from shared.path.transaction.delivery import Commanded, Consumed, Internal
from shared.path.transaction.explaining import Explanation, explanation
from shared.path.transaction.folding import NO_SETTINGS, OTHERWISE, Fold, MadeAgain, Settings
from shared.path.transaction.journal import digest
from shared.path.transaction.narrating import lines
from shared.platform.db import Row
from shared.platform.keys import Keys
from shared.platform.settings import Number, Sourced, sourced
from shared.rules.escalation import AcknowledgeEscalation, HandOverEscalation
from tests.aftercare import given as aftercare
from tests.attendance import given as attendance
from tests.intake import given as intake
from tests.service import DEPLOY
from tests.testing import given as testing

GOLDEN = Path(__file__).with_name("why")
NAMES = UUID(int=9)
Happened = tuple[datetime, str, Event | Command]


class Journalled:
    """One patient's journal of one service, without a database, from what happened: when, by whom, what."""

    def __init__(self, keys: Keys, patient: str, settings: msgspec.Struct) -> None:
        self.service: Service = import_module(f"services.{keys.service}.app").assemble(keys).service
        self.rows: list[Row] = []
        self.emitted: list[Event] = []
        self._patient, self._settings = patient, settings
        self._fold = Fold(self.service, "patient", patient, "demo")

    def then(self, *happened: Happened) -> "Journalled":
        for now, sender, what in happened:
            times = {"now": now, "listening_since": attendance.LONG_AGO, "program": "demo"}
            made = self._decide({**times, "settings": digest(self._settings)}, sender, what)
            row = msgspec.structs.asdict(made.row)
            self.rows.append({**row, **times, "kind": "patient", "sequence": len(self.rows) + 1})
            self.emitted += made.events
        return self

    def _decide(self, given: Row, sender: str, what: Event | Command) -> MadeAgain:
        identity = uuid5(NAMES, str(len(self.rows)))
        origin = {
            "id": identity,
            "key": self._patient,
            "program": "demo",
            "at": given["now"],
            "producer": sender,
            "correlation_id": identity,
        }
        if isinstance(what, Command):
            return self._fold.decide(Commanded(**origin, commands=(what,)), given, self._settings)
        kind = Internal if sender == self.service.name else Consumed
        return self._fold.decide(kind(**origin, event=what), given, self._settings)

    async def why(self, type_: str, identity: str, sources: Sourced | None = None) -> Explanation:
        body = msgspec.json.encode(self._settings).decode()
        settings = Settings(type(self._settings), {("demo", digest(self._settings)): body})
        known = sourced(DEPLOY, self.service.name)["demo"] if sources is None else sources
        return await explanation(self.service, settings, known, self.rows, (type_, identity))


Begin = Callable[..., Journalled]


@pytest.fixture
def begin(keys_folder: Path) -> Begin:
    patients = {"aftercare": str(UUID(int=7)), "intake": intake.PATIENT, "testing": testing.PATIENT}
    given = {"aftercare": aftercare, "attendance": attendance, "intake": intake, "testing": testing}

    def journal(name: str, settings: msgspec.Struct | None = None) -> Journalled:
        keys = Keys.load(keys_folder, name)
        return Journalled(keys, patients.get(name, str(UUID(int=7))), settings or given[name].SETTINGS)

    return journal


def missed_session(begin: Begin) -> tuple[Journalled, str, str]:
    """Nobody came, and a case manager takes it on."""
    concluded = attendance.MONDAY + attendance.GRACE
    journal = begin("attendance").then(
        (attendance.ADMISSION, "intake", attendance.admitted()), (concluded, "attendance", attendance.TIME_PASSED)
    )
    (raised,) = [each for each in journal.emitted if isinstance(each, EscalationEvent)]
    command = AcknowledgeEscalation(escalation_id=raised.escalation.id, by="case-manager-1")
    journal.then((concluded + attendance.GRACE, "ehr", command))
    return journal, "Task", raised.escalation.id


async def test_who_handed_it_over_to_whom_and_why_is_said(begin: Begin) -> None:
    journal, kind, identity = missed_session(begin)
    handing = HandOverEscalation(escalation_id=identity, to="staff/prescriber-1", reason="other-role-needed")
    journal.then((attendance.MONDAY + 3 * attendance.GRACE, "ehr", handing))
    found = lines(await journal.why(kind, identity))
    (asked,) = [line for line in found if "it is handed over to another person or role" in line]
    (done,) = [line for line in found if "it was handed over: another one is asked" in line]
    assert "to staff/prescriber-1" in asked and "reason other role needed" in asked
    assert "owner prescriber" in done and "person prescriber-1" in done and "by case-manager-1" in done


def attended_session(begin: Begin) -> tuple[Journalled, str, str]:
    journal = begin("attendance").then(
        (attendance.ADMISSION, "intake", attendance.admitted()),
        (attendance.MONDAY, "ehr", attendance.check_in(attendance.MONDAY)),
    )
    return journal, "Appointment", attendance.session(attendance.MONDAY)


def recommended(begin: Begin) -> tuple[Journalled, str, str]:
    """First weekly outpatient did not hold, then the withdrawal is moderate."""
    assessed = intake.assessment(intake.IOP_NEEDS, "weekly-outpatient-not-holding", "withdrawal-seizure-history")
    worse = RecordAssessment(findings=intake.found("cows=14", at=intake.TUESDAY))
    journal = begin("intake").then(
        (intake.MONDAY, "ehr", intake.received(assessed)),
        (intake.MONDAY, "ehr", intake.referral()),
        (intake.TUESDAY, "ehr", intake.received(worse)),
    )
    *_, event = [each for each in journal.emitted if isinstance(each, LevelOfCareRecommended)]
    return journal, "ServiceRequest", event.recommendation.recommendation_id


def signed(begin: Begin) -> tuple[Journalled, str, str]:
    """Against evidence of danger, by two."""
    assessed = intake.assessment(intake.IOP_NEEDS, "c-ssrs-q5")
    journal = begin("intake").then(
        (intake.MONDAY, "ehr", intake.received(assessed)), (intake.MONDAY, "ehr", intake.referral())
    )
    *_, event = [each for each in journal.emitted if isinstance(each, LevelOfCareRecommended)]
    command = SignPlacement(
        task_id=event.recommendation.task_id,
        level="2.1",
        reason="safety-plan-made",
        by="clinician-1",
        second=intake.DIRECTOR,
        version="1",
    )
    return journal.then((intake.TUESDAY, "ehr", command)), "Task", event.recommendation.task_id


async def test_who_signed_which_version_in_which_role_and_who_beside_them_is_said(begin: Begin) -> None:
    journal, kind, identity = signed(begin)
    (line,) = [each for each in lines(await journal.why(kind, identity)) if "signed the placement" in each]
    assert line == (
        "    a clinician signed the placement, level 2.1, reason safety plan made, signed by clinician-1,"
        " as licensed clinician, version 1, second signature by medical-director-1, as medical director;"
        " to iop.intake.events"
    )


def corrected_positive(begin: Begin) -> tuple[Journalled, str, str]:
    wrong = testing.report("weekly", 7, FENTANYL="positive")
    right = testing.report("weekly", 7, issued=10, status="corrected", FENTANYL="negative")
    journal = begin("testing").then(
        (testing.ADMISSION, "intake", testing.admitted()),
        (testing.day(1), "lab", testing.report("baseline", 0, FENTANYL="negative")),
        (testing.day(8), "lab", wrong),
        (testing.day(10), "lab", right),
    )
    event = next(each for each in journal.emitted if isinstance(each, EscalationEvent))
    return journal, "Task", event.escalation.id


def withheld_referral(begin: Begin) -> tuple[Journalled, str, str]:
    journal = begin("aftercare").then(
        (aftercare.ADMITTED, "intake", aftercare.admitted()), (aftercare.DISCHARGED, "intake", aftercare.discharged())
    )
    prepared = next(each for each in journal.emitted if isinstance(each, ReferralPrepared))
    journal.then((aftercare.NEXT_DAY, "aftercare", aftercare.withheld(prepared)))
    return journal, "ServiceRequest", prepared.referral_id


def order_sent_again(begin: Begin) -> tuple[Journalled, str, str]:
    """The laboratory refuses an order; a person has it sent again, and it is taken."""
    settings = msgspec.structs.replace(testing.SETTINGS, laboratory="riverbend-laboratory")
    order_id, ordered = str(UUID(int=8)), testing.day(8)
    order = OrderDrugTest(order_id=order_id, opens_at=testing.day(10), closes_at=testing.day(11))
    journal = begin("testing", settings).then(
        (testing.ADMISSION, "intake", testing.admitted()), (ordered, "ehr", order)
    )
    prepared = next(each for each in journal.emitted if isinstance(each, LaboratoryOrderPrepared))
    about: dict[str, Any] = {"partner": prepared.partner, "focus": prepared.focus}
    journal.then(
        (ordered, "testing", DisclosureRefused(**about, attempt=1, reason="hl7-204")),
        (testing.day(9), "ehr", SendOrderAgain(task_id=prepared.task_id)),
        (testing.day(9), "testing", DisclosureMade(**about, attempt=2, consent_id=None)),
    )
    return journal, "Task", prepared.task_id


Case = Callable[[Begin], tuple[Journalled, str, str]]
CASES: tuple[Case, ...] = (
    missed_session,
    attended_session,
    recommended,
    corrected_positive,
    withheld_referral,
    order_sent_again,
)


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.__name__)
async def test_the_text_of_a_case_is_exactly_this(begin: Begin, case: Case) -> None:
    journal, type_, identity = case(begin)
    text = "\n".join(lines(await journal.why(type_, identity))) + "\n"
    assert text == (GOLDEN / f"{case.__name__}.txt").read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.__name__)
async def test_it_is_the_same_after_it_was_json(begin: Begin, case: Case) -> None:
    journal, type_, identity = case(begin)
    explained = await journal.why(type_, identity)
    assert lines(msgspec.json.decode(msgspec.json.encode(explained), type=Explanation)) == lines(explained)


async def test_an_escalation_names_no_analyte_and_no_limit_of_one(begin: Begin) -> None:
    text = str(lines(await Journalled.why(*corrected_positive(begin)))).lower()
    assert not any(each in text for each in ("fentanyl", "etg", "ng_ml", "/ml", testing.FENTANYL))


async def test_a_number_that_is_another_one_now_says_so(begin: Begin) -> None:
    journal, type_, identity = missed_session(begin)
    text = "\n".join(lines(await journal.why(type_, identity, {"early_days": Number(7, "d", "a book")})))
    assert "it read early_days = 14 d (a book; program.toml has another one now)" in text
    assert "it read outreach_hours = 24\n" in text


async def test_a_journal_this_release_decides_otherwise_is_told_up_to_there(begin: Begin) -> None:
    journal, type_, identity = missed_session(begin)
    journal.rows[-1] = {**journal.rows[-1], "emitted": ()}
    explained = await journal.why(type_, identity)
    assert (len(explained.steps), explained.incomplete) == (1, OTHERWISE)


async def test_missing_settings_are_told(begin: Begin) -> None:
    journal, type_, identity = missed_session(begin)
    journal.rows[0] = {**journal.rows[0], "settings": "gone"}
    assert lines(await journal.why(type_, identity))[1:] == [f"  no further: {NO_SETTINGS}"]
