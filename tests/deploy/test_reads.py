"""`iop reads`: who read what of a patient, at every service, in the order of time."""

from datetime import timedelta

from deploy.commands.reads import Listed, line, listed
from deploy.work_list import Owners
from tests.deploy.test_escalations import counter, issuer, owners  # noqa: F401
from tests.intake import bundles
from tests.intake.given import MONDAY
from tests.shared.edge.conftest import Counter


async def test_the_reads_of_a_patient_are_listed_as_they_came(counter: Counter, owners: Owners) -> None:  # noqa: F811
    await counter.send(bundles.intake("0001"))
    (patient,) = {each["for"]["reference"] for each in await counter.intake.found("Task") if "for" in each}
    for minutes, address in enumerate((patient, f"Observation?patient={patient}")):
        counter.intake.set_clock(MONDAY + timedelta(minutes=minutes))
        assert (await counter.ask("GET", f"/fhir/{address}")).status_code == 200
    await counter.intake.running.reads.write()
    found, silent = await listed({"intake": owners["intake"]}, patient.removeprefix("Patient/"), None)
    assert silent == []
    assert [(each.type, each.interaction, each.client) for each in found if each.type != "Task"] == [
        ("Patient", "read", "ehr"),
        ("Observation", "search-type", "ehr"),
    ]
    since = MONDAY + timedelta(minutes=1)
    later, silent = await listed(owners, patient.removeprefix("Patient/"), since)
    assert [each.type for each in later if each.type != "AuditEvent"] == ["Observation"]
    assert silent == ["testing does not answer (ConnectError)", "aftercare: The token lacks a scope."]


def test_a_line_names_client_person_and_what_they_did() -> None:
    each = Listed(MONDAY, "intake", "ehr", "clinician-1", "search-type", "Task", refused=True)
    assert "intake      ehr for clinician-1" in line(each) and line(each).endswith("searched Task (refused)")
