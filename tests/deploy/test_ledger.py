"""`iop ledger`: after lost records the gate opens only for consents that stand as intake last decided them."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from deploy import hubfile
from deploy.hubfile import Hub
from services.intake.decide.recording import consent_denied, consent_given
from services.intake.messages import DenyConsent, RecordConsent, RevokeConsent
from shared.events.catalogue import PARTITIONS
from shared.events.envelope import Command, Event
from shared.events.intake import ConsentRevoked
from shared.path.transaction import consent_ledger
from shared.path.transaction.delivery import Delivery
from shared.path.transaction.journal import Journal
from shared.platform.clock import machine_now
from tests.deploy.in_process import iop
from tests.service import consumed

PATIENT = "3f1c9a52-5c55-4d0c-9d6e-0a5a4d8a7b11"
NEW_YORK = timezone(timedelta(hours=-5))
MONDAY = datetime(2026, 1, 5, 9, tzinfo=NEW_YORK)
JOURNAL = """INSERT INTO journal
    (now, listening_since, kind, key, program, cause, producer, delivery, event, content, outcome, settings, code,
    emitted) VALUES ($1, $1, 'patient', $2, 'demo', $3, 'ehr', 'commanded', $4, $5, 'decided', '', '', '{}')"""


def consent(identity: str, *fields: str) -> RecordConsent:
    return RecordConsent(
        consent_id=identity,
        recipients=("riverbend-alumni",),
        purposes=("alumni",),
        fields=fields or ("name", "phone"),
        given_at=MONDAY,
        expires_at=MONDAY + timedelta(days=365),
    )


class Databases:
    """Intake's and aftercare's in one, for no table of theirs that counts here has the same rows."""

    def __init__(self, connection: asyncpg.Connection, folder: Path) -> None:
        self.connection, self.folder = connection, folder

    async def intake_decided(self, *commands: Command) -> None:
        name = "+".join(type(each).__name__ for each in commands)
        content = msgspec.json.encode(commands).decode()
        await self.connection.execute(JOURNAL, MONDAY, PATIENT, uuid4(), name, content)

    async def aftercare_consumed(self, *events: Event) -> None:
        items: Sequence[Delivery] = [consumed(each, PATIENT) for each in events]
        await consent_ledger.apply(self.connection, items)

    async def current(self, seconds_old: float = 0.0) -> None:
        at = machine_now() - timedelta(seconds=seconds_old)
        await consent_ledger.mark_current(self.connection, dict.fromkeys(range(PARTITIONS), at))

    async def lose(self) -> None:
        await self.current()
        await consent_ledger.mark_lost(self.connection, [3])

    async def known(self) -> consent_ledger.LedgerSnapshot:
        return await consent_ledger.read(self.connection, "demo", PATIENT, machine_now())

    def show(self) -> str:
        return iop("ledger", "show", "--data", str(self.folder)).stdout

    def reopen(self, *flags: str) -> str:
        done = iop("ledger", "reopen", *flags, "--data", str(self.folder))
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture
async def databases(database: str, tmp_path: Path) -> AsyncIterator[Databases]:
    of_each = dict.fromkeys(("intake", "aftercare", "testing"), database)
    hubfile.write(tmp_path, Hub(kafka="", issuer="", services={}, postgres=of_each))
    await Journal(database, {}).ensure(MONDAY)
    connection = await asyncpg.connect(database)
    yield Databases(connection, tmp_path)
    await connection.close()


async def test_what_stands_as_intake_decided_it_opens_again(databases: Databases) -> None:
    stands = consent("stands")
    await databases.intake_decided(stands)
    # As it comes from the topic: the same instants, in UTC.
    consumed = consent_given(stands)
    in_utc = {name: getattr(consumed, name).astimezone(UTC) for name in ("given_at", "expires_at")}
    await databases.aftercare_consumed(msgspec.structs.replace(consumed, **in_utc))
    await databases.lose()
    assert not (await databases.known()).current

    emitted = databases.reopen()

    known = await databases.known()
    assert (known.current, [each.consent_id for each in known.consents]) == (True, ["stands"])
    assert "1 stand as intake decided them, 0 closed, 0 forgotten" in emitted


async def test_a_consent_whose_revocation_was_lost_is_closed_for_good(databases: Databases) -> None:
    await databases.intake_decided(consent("revoked"), consent("other"))
    await databases.intake_decided(RevokeConsent(consent_id="revoked"))
    await databases.aftercare_consumed(consent_given(consent("revoked")))
    await databases.lose()

    emitted = databases.reopen()

    await databases.aftercare_consumed(consent_given(consent("revoked")))
    known = await databases.known()
    assert (known.current, known.consents) == (True, ())
    assert f"Consent/revoked of Patient/{PATIENT}: revoked or unknown to intake, closed for good" in emitted
    assert f"Consent/other of Patient/{PATIENT}: not consumed" in emitted


async def test_a_consent_that_intakes_journal_does_not_know_is_closed(databases: Databases) -> None:
    await databases.aftercare_consumed(consent_given(consent("nobody knows")))
    await databases.lose()
    databases.reopen()
    assert (await databases.known()).consents == ()


async def test_a_consent_narrowed_meanwhile_opens_nothing_until_it_comes_again(databases: Databases) -> None:
    narrowed = consent("narrowed", "name")
    await databases.intake_decided(consent("narrowed"))
    await databases.intake_decided(narrowed)
    await databases.aftercare_consumed(consent_given(consent("narrowed")))
    await databases.lose()

    databases.reopen()

    assert (await databases.known()).consents == ()
    await databases.aftercare_consumed(consent_given(narrowed))
    assert (await databases.known()).consents == (consent_given(narrowed),)


async def test_a_denial_that_was_lost_is_entered_from_intakes_journal(databases: Databases) -> None:
    stands = consent("stands")
    denial = DenyConsent(consent_id="no", recipients=(), purposes=(), denied_at=MONDAY + timedelta(days=1))
    await databases.intake_decided(stands)
    await databases.intake_decided(denial)
    await databases.aftercare_consumed(consent_given(stands))
    await databases.lose()

    emitted = databases.reopen()

    assert set((await databases.known()).consents) == {consent_given(stands), consent_denied(denial)}
    assert f"Consent/no of Patient/{PATIENT}: a denial, entered" in emitted


async def test_a_revoked_consent_that_was_heard_stays_revoked(databases: Databases) -> None:
    await databases.intake_decided(consent("old"))
    await databases.aftercare_consumed(
        consent_given(consent("old")), ConsentRevoked(consent_id="old", revoked_at=MONDAY)
    )
    await databases.lose()
    databases.reopen()
    await databases.aftercare_consumed(consent_given(consent("old")))
    assert (await databases.known()).consents == ()


async def test_a_dry_run_says_the_same_and_changes_nothing(databases: Databases) -> None:
    await databases.aftercare_consumed(consent_given(consent("nobody knows")))
    await databases.lose()

    assert "1 closed, 0 forgotten; nothing was changed" in databases.reopen("--dry-run")

    known = await databases.known()
    assert (known.current, len(known.consents)) == (False, 1)


async def test_where_nothing_was_lost_there_is_nothing_to_reopen(databases: Databases) -> None:
    done = iop("ledger", "reopen", "--data", str(databases.folder))
    assert (done.returncode, done.stderr) == (1, "iop: no records were lost: there is nothing to reopen\n")


async def test_testings_gate_is_opened_by_its_own_name_and_of_a_service_without_one_nothing_is(
    databases: Databases,
) -> None:
    await databases.lose()
    shown = iop("ledger", "show", "--service", "testing", "--data", str(databases.folder)).stdout
    assert "until `iop ledger reopen --service testing`" in shown
    assert "the gate opens" in databases.reopen("--service", "testing")
    assert (await databases.known()).current
    refused = iop("ledger", "show", "--service", "intake", "--data", str(databases.folder))
    assert refused.stderr == "iop: --service: must be aftercare or testing; the others disclose nothing\n"


async def test_the_ledger_is_shown_with_its_age_and_with_what_was_lost(databases: Databases) -> None:
    assert "the gate is shut until" in databases.show()
    await databases.current()
    assert "the gate is open" in databases.show()
    await databases.current(seconds_old=90)
    assert "the gate is shut until" in databases.show()
    await databases.lose()
    await consent_ledger.mark_lost(databases.connection, [12])
    shown = databases.show()
    assert shown.count("LOST") == 2 and "never" in shown
    assert "until `iop ledger reopen`" in shown
