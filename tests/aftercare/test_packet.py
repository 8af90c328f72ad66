"""A printed referral: nothing is sent; printing is the disclosure, asked of the gate and in the books each time."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from services.aftercare.messages import ConsentRevoked, PatientDied
from shared.events import fhir
from shared.path.outbound.accompanied import NOTICE
from tests import service
from tests.aftercare.running import DISCHARGED, PERSON, Aftercare, admission, consent, discharge, identified
from tests.aftercare.test_closed_loop import task_of
from tests.aftercare.test_letter_read import Clinic, clinic, issuer

__all__ = ["clinic", "issuer"]
CLINIC, ALUMNI = "riverbend-outpatient", "riverbend-alumni"
HOME = {"address": [{"use": "home", "line": ["1 Seeded Street"], "city": "Riverbend", "postalCode": "99999"}]}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(autouse=True)
def printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The step-down clinic is printed to, as partners.toml says it."""
    deploy = tmp_path / "deploy"
    shutil.copytree(service.DEPLOY, deploy, ignore=shutil.ignore_patterns("__pycache__"))
    file = deploy / "partners.toml"
    before, table, after = file.read_text().partition(f"[partner.{CLINIC}]\n")
    file.write_text(before + table + after.replace('url = "http://127.0.0.1:8199/fhir"', "printed = true", 1))
    monkeypatch.setattr(service, "DEPLOY", deploy)
    yield


async def waits(clinic: Clinic, reason: str, **but: Any) -> None:
    """A stay has ended, and the clinic's referral is on hold for this reason."""
    here = clinic.aftercare
    await identified(here, PERSON | HOME)
    if reason == "to-be-printed":
        await here.learn(consent("c1", CLINIC, **but))
    await here.learn(admission(here))
    await discharge(here)
    await here.until_tasks((ALUMNI, "on-hold"), (CLINIC, "on-hold"))
    task = await task_of(here, CLINIC)
    assert fhir.code_of(task["statusReason"]) == reason


async def print_it(clinic: Clinic, partner: str = CLINIC, **claims: Any) -> httpx.Response:
    task = await task_of(clinic.aftercare, partner)
    headers = {"Authorization": f"Bearer {clinic.issuer.token(**claims)}"}
    return await clinic.http.post(f"/fhir/Task/{task['id']}/$packet", headers=headers)


async def until_has_it(here: Aftercare) -> None:
    async def reached() -> bool:
        return (CLINIC, "requested") in await here.referral_tasks()

    await here.until(reached)


async def booked(here: Aftercare) -> list[tuple[str, ...]]:
    """Of the clinic: result and reason, with the fields that were told."""
    found = []
    for audit in await here.books():
        if CLINIC in str(audit["agent"]):
            fields = [each["valueString"] for entity in audit["entity"] for each in entity.get("detail", ())]
            found.append((audit["subtype"][0]["code"], audit.get("outcomeDesc", ""), *fields))
    return sorted(found)


HELD = ("withheld", "to-be-printed")


async def test_it_is_printed_with_what_the_consent_permits_and_answered_by_the_link(clinic: Clinic) -> None:
    here = clinic.aftercare
    await waits(clinic, "to-be-printed")
    assert await booked(here) == [HELD]
    page = await print_it(clinic)
    assert page.status_code == 200, page.text
    for shown in ("Bogus Seeded", "+15555550123", "Riverbend", NOTICE, "step down"):
        assert shown in page.text
    for secret in ("Seeded Street", "99999", "1980", here.patient, "<script"):
        assert secret not in page.text
    assert (
        page.headers["Cache-Control"] == "no-store" and "default-src 'none'" in page.headers["Content-Security-Policy"]
    )
    await until_has_it(here)
    assert await booked(here) == [("made", "", "name", "phone", "area"), HELD]
    assert here.partner.received == []
    link = next(each for each in page.text.replace("<", " ").replace(">", " ").split() if "/r/" in each)
    assert (await clinic.http.post(urlsplit(link).path, content="step=accepted", headers=FORM)).status_code == 200
    assert (await task_of(here, CLINIC))["status"] == "accepted"


async def test_a_narrower_consent_prints_fewer_fields_and_the_books_say_so(clinic: Clinic) -> None:
    await waits(clinic, "to-be-printed", fields=("name",))
    page = await print_it(clinic)
    assert "Bogus Seeded" in page.text
    assert "+15555550123" not in page.text and "Lives in" not in page.text
    assert await booked(clinic.aftercare) == [("made", "", "name"), HELD]


async def test_without_a_consent_it_is_on_hold_as_ever_and_not_printed(clinic: Clinic) -> None:
    await waits(clinic, "no-consent-names-this-partner")
    page = await print_it(clinic)
    assert (page.status_code, "Seeded" in page.text) == (403, False)
    assert await booked(clinic.aftercare) == [("withheld", "no-consent-names-this-partner")] * 2


async def test_printed_twice_it_is_the_same_page_and_twice_in_the_books(clinic: Clinic) -> None:
    await waits(clinic, "to-be-printed")
    first = await print_it(clinic)
    await until_has_it(clinic.aftercare)
    second = await print_it(clinic)
    assert first.text == second.text
    made = ("made", "", "name", "phone", "area")
    assert await booked(clinic.aftercare) == [made, made, HELD]


async def test_revoked_since_it_is_printed_no_more(clinic: Clinic) -> None:
    here = clinic.aftercare
    await waits(clinic, "to-be-printed")
    await print_it(clinic)
    await until_has_it(here)
    await here.learn(ConsentRevoked(consent_id="c1", revoked_at=DISCHARGED))
    page = await print_it(clinic)
    assert (page.status_code, "Seeded" in page.text) == (403, False)
    assert ("withheld", "consent-revoked") in await booked(here)
    assert (await task_of(here, CLINIC))["status"] == "requested"


async def test_of_the_dead_and_to_a_partner_that_is_sent_its_own_nothing_is_printed(clinic: Clinic) -> None:
    await waits(clinic, "to-be-printed")
    assert (await print_it(clinic, ALUMNI)).status_code == 409
    await clinic.aftercare.learn(PatientDied(died_at=DISCHARGED, reported_at=DISCHARGED))
    assert (await print_it(clinic)).status_code == 410
    assert await booked(clinic.aftercare) == [HELD]


async def test_whoever_may_not_prints_nothing(clinic: Clinic) -> None:
    await waits(clinic, "to-be-printed")
    refusals = {
        "another program's": ({"sub": "west", "program": "west"}, 404),
        "a partner's": ({"sub": ALUMNI, "scope": "system/Task.rus"}, 404),
        "a reader": ({"scope": "system/Task.r"}, 403),
    }
    for who, (claims, status) in refusals.items():
        page = await print_it(clinic, **claims)
        assert (who, page.status_code, "Seeded" in page.text) == (who, status, False)
    assert await booked(clinic.aftercare) == [HELD]


async def test_revoked_while_it_waits_for_paper_it_is_never_printed(clinic: Clinic) -> None:
    here = clinic.aftercare
    await waits(clinic, "to-be-printed")
    await here.learn(ConsentRevoked(consent_id="c1", revoked_at=DISCHARGED))
    page = await print_it(clinic)
    assert (page.status_code, "Seeded" in page.text) == (403, False)
    assert await booked(here) == [("withheld", "consent-revoked"), HELD]
    assert (CLINIC, "on-hold") in await here.referral_tasks()


async def test_who_printed_it_is_recorded_and_who_was_refused(clinic: Clinic) -> None:
    here = clinic.aftercare
    await waits(clinic, "to-be-printed")
    await print_it(clinic)
    await print_it(clinic, scope="system/Task.r")

    async def recorded() -> bool:
        found = await here.select("SELECT client, refused FROM reads WHERE interaction = 'read' ORDER BY refused")
        return found == [("ehr", False), ("ehr", True)]

    await here.until(recorded)
