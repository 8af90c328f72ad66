"""A partner's lane fails as the way in does: a bug parks one row and its patient's, trouble waits, the others go on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from shared.path.destination import Release, Transport
from shared.path.inbound.redrive import Quarantine, redrive
from shared.path.outbound import gate
from shared.path.outbound.destinations import routes
from shared.platform.settings import ConfigurationError
from tests.aftercare.running import FORM, PARTNERS, Aftercare, consent, identified

HOUSE = PARTNERS["riverbend-house"]
ANNA, BEN = str(uuid4()), str(uuid4())


@dataclass
class BrokenForm:
    """The form with a bug for one patient, until it is mended."""

    patient: str
    mended: bool = False

    def __call__(self, event: Any, release: Release) -> Any:
        if release.patient == self.patient and not self.mended:
            raise ZeroDivisionError("secret-value")
        return FORM(event, release)


async def referred(here: Aftercare, *patients: str) -> None:
    """Each is known and consents; a referral of each stands in the lane, in this order."""
    for patient in dict.fromkeys(patients):
        here.patient = patient
        await identified(here, mrn=patient)
        await here.learn(consent(str(uuid4()), HOUSE.name))
    for patient in patients:
        here.patient = patient
        await here.puts_into_its_lane(HOUSE)


async def until_sent(here: Aftercare, count: int) -> None:
    async def reached() -> bool:
        return len(here.partner.received) >= count

    await here.until(reached)


async def until_left(here: Aftercare, *patients: str) -> None:
    async def reached() -> bool:
        left = await here.select("SELECT key FROM outbox WHERE lane LIKE 'partner:%' ORDER BY id")
        return left == [(patient,) for patient in patients]

    await here.until(reached)


async def until_parked(here: Aftercare, place: str) -> None:
    async def reached() -> bool:
        return await here.count(f"outbox WHERE parked LIKE '{place}%'") == 1

    await here.until(reached)


async def test_a_bug_in_the_form_parks_one_row_and_its_patients_rows_behind_it(aftercare_alone: Aftercare) -> None:
    here, broken = aftercare_alone, BrokenForm(ANNA)
    await referred(here, ANNA, ANNA, BEN)
    async with here.lane(HOUSE, form=broken):
        await until_sent(here, 1)
        await until_parked(here, "bug: ZeroDivisionError")
        await until_left(here, ANNA, ANNA)
        assert len(here.partner.received) == 1

        broken.mended = True
        assert (await redrive(here.inbox, ANNA, "demo", dry_run=False)).sent_again == 1
        await until_sent(here, 3)


async def test_operations_hear_of_it_without_the_patient_and_the_place_holds_no_value(
    aftercare_alone: Aftercare,
) -> None:
    here = aftercare_alone
    await referred(here, ANNA)
    async with here.lane(HOUSE, form=BrokenForm(ANNA)):
        await until_parked(here, "bug")
    operations = await here.select("SELECT key, headers || body FROM outbox WHERE lane = 'topic:iop.operations'")
    assert [(key, ANNA in text, "partner:riverbend-house" in text) for key, text in operations] == [(None, False, True)]
    ((place,),) = await here.select("SELECT parked FROM outbox WHERE parked IS NOT NULL")
    assert "test_failing_lane.py" in place and "secret" not in place


async def test_a_row_that_cannot_be_read_is_parked_and_the_others_go_on(aftercare_alone: Aftercare) -> None:
    here = aftercare_alone
    await referred(here, ANNA, BEN)
    await here.pool.execute("UPDATE outbox SET body = '{' WHERE key = $1 AND lane LIKE 'partner:%'", ANNA)
    async with here.lane(HOUSE):
        await until_parked(here, "unreadable")
        await until_sent(here, 1)


async def test_a_row_for_an_address_that_is_none_is_parked(aftercare_alone: Aftercare) -> None:
    await referred(aftercare_alone, ANNA)
    async with aftercare_alone.lane(HOUSE, transport=Transport("nowhere")):
        await until_parked(aftercare_alone, "bug: UnsupportedProtocol")


def long_answer(partner: Any) -> None:
    partner.answer_bytes = 10_000_000


def dripping_answer(partner: Any) -> None:
    partner.answer_bytes, partner.answer_seconds = 1, 30.0


@pytest.mark.parametrize(("answers", "made"), [(long_answer, True), (dripping_answer, False)])
async def test_an_answer_is_read_to_a_limit_in_bytes_and_in_time(
    aftercare_alone: Aftercare, answers: Callable[[Any], None], made: bool
) -> None:
    here = aftercare_alone
    await referred(here, ANNA)
    answers(here.partner)
    async with here.lane(HOUSE, transport=Transport(here.partner.url, seconds_most=0.5)):
        await (here.until_audited("made") if made else here.until_tried())


@pytest.mark.parametrize(
    "url", ["htp://partner.example", "partner.example/fhir", "https:///fhir", "http://[", "http://a b/"]
)
def test_a_partners_address_that_is_none_is_refused_at_start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOP_PARTNER_URL_RIVERBEND_HOUSE", url)
    with pytest.raises(ConfigurationError, match="IOP_PARTNER_URL_RIVERBEND_HOUSE") as refused:
        routes("aftercare", PARTNERS, FORM)
    assert url not in str(refused.value)


def test_a_partner_that_answers_5xx_for_72_hours_leaves_less_than_a_hundred_lines_in_the_books() -> None:
    seconds, sends = 0.0, 0
    while seconds <= PARTNERS["riverbend-house"].hours_tried_most * 3600:
        seconds += gate.back_off_seconds(sends, PARTNERS["riverbend-house"])
        sends += 1
    assert 72 <= sends < 100
    soon = msgspec.structs.replace(PARTNERS["riverbend-house"], try_again_minutes_most=5.0)
    assert [gate.back_off_seconds(each, soon) for each in (0, 1, 8, 9, 5000)] == [1.0, 2.0, 256.0, 300.0, 300.0]


async def outcomes(here: Aftercare) -> list[dict[str, Any]]:
    """What its service will hear of what became of a row."""
    rows = await here.select("SELECT body FROM outbox WHERE lane = 'internal' ORDER BY id")
    return [msgspec.json.decode(body) for (body,) in rows]


async def test_the_service_hears_which_referral_cannot_be_sent_and_each_time_anew(aftercare_alone: Aftercare) -> None:
    here = aftercare_alone
    await referred(here, ANNA)
    ((focus,),) = await here.select("SELECT headers::jsonb ->> 'iop-focus' FROM outbox WHERE lane LIKE 'partner:%'")
    async with here.lane(HOUSE, form=BrokenForm(ANNA)):
        await until_parked(here, "bug")
        await redrive(here.inbox, ANNA, "demo", dry_run=False)

        async def came_twice() -> bool:
            return len(await outcomes(here)) == 2

        await here.until(came_twice)
    first, second = await outcomes(here)
    assert first == second
    assert (first["type"], first["partner"], first["focus"]) == ("DisclosureParked", HOUSE.name, focus)


async def test_an_unreadable_row_that_is_taken_out_ends_as_withheld_in_the_books(aftercare_alone: Aftercare) -> None:
    here = aftercare_alone
    await referred(here, ANNA)
    await here.pool.execute("UPDATE outbox SET body = '{' WHERE lane LIKE 'partner:%'")
    async with here.lane(HOUSE):
        await until_parked(here, "unreadable")
        ((identity,),) = await here.select("SELECT headers::jsonb ->> 'ce_id' FROM outbox WHERE parked IS NOT NULL")
        await redrive(here.inbox, ANNA, "demo", dry_run=False, quarantine=Quarantine(UUID(identity), "ops"))
        await here.until_audited("withheld")
    parked, ended = await outcomes(here)
    assert (parked["type"], ended["type"], ended["reason"]) == ("DisclosureParked", "DisclosureWithheld", "quarantined")
    assert ended["focus"] == parked["focus"] and ended["ledger_version"] == 1
    assert here.partner.received == []


async def test_of_a_row_whose_headers_cannot_be_read_either_operations_hear_alone(aftercare_alone: Aftercare) -> None:
    here = aftercare_alone
    await referred(here, ANNA, BEN)
    await here.pool.execute("UPDATE outbox SET headers = '{' WHERE key = $1 AND lane LIKE 'partner:%'", ANNA)
    async with here.lane(HOUSE):
        await until_parked(here, "unreadable")
        await redrive(here.inbox, ANNA, "demo", dry_run=False, quarantine=Quarantine(UUID(int=0), "ops"))
        await until_sent(here, 1)
        await until_left(here)
    assert [each["type"] for each in await outcomes(here)] == ["DisclosureMade"]
    assert await here.count("outbox WHERE lane = 'topic:iop.operations'") == 1
