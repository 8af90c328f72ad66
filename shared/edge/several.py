"""Whether two patients are one person: never guessed. A Task asks a person, and the answer to the sender names it.

Nothing of what was sent is stored; the Task names the patients by the hub's ids, and nobody else.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from shared.edge import work_item
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import HttpRefusal, refuse
from shared.events import codes, fhir
from shared.events.codes import HUB
from shared.events.envelope import PatientId
from shared.path.transaction.resources import AcceptedResource

COMPARE = "compare-patients"
REASON = "identifiers-of-several-patients"
MERGING = frozenset({"replaced-by", "replaces"})
"""Types of `Patient.link` that say of two records that they are of one person."""


class SeveralPatients(HttpRefusal):
    """Identifiers, or a link, lead to several patients, where one must be meant."""

    def __init__(self, patients: Collection[PatientId], place: str) -> None:
        refused = refuse(409, "multiple-matches", place, "The identifiers must belong to one patient.")
        super().__init__(refused.status, refused.issues)
        self.patients = frozenset(patients)
        self.place = place


def merges(entries: Iterable[BundleEntry]) -> Iterator[tuple[str, PatientId, fhir.Element]]:
    """Each link of a Patient that says that another one is the same person: its place, the Patient, and the other."""
    for entry in entries:
        for number, link in enumerate(entry.resource.get("link", ()) if entry.type == "Patient" else ()):
            if link.get("type") in MERGING:
                yield f"{entry.place}.link[{number}].other", PatientId(str(entry.id)), link["other"]


def task(program: str, patients: Collection[PatientId], now: datetime) -> AcceptedResource:
    """Of the same patients it is asked once."""
    named = sorted(patients)
    identity = uuid5(NAMESPACE_URL, f"{HUB}/{COMPARE}|{program}|{'|'.join(named)}")
    inputs = [
        {"type": fhir.concept(codes.INPUT, "patient"), "valueReference": fhir.reference("Patient", each)}
        for each in named
    ]
    return work_item.task(identity, COMPARE, REASON, inputs, now, confidential=True)


def asked(several: SeveralPatients, question: AcceptedResource) -> HttpRefusal:
    """The answer: what is wrong, who looks at it, and what can be sent meanwhile."""
    return refuse(
        409,
        "multiple-matches",
        several.place,
        f"This leads to several patients; Task/{question.id} asks a person whether they are one. Nothing was stored: "
        "send what belongs to each patient under that patient's own identifiers, without the link.",
    )
