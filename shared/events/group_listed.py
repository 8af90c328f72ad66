"""A group and the Schedule of its sessions, as attendance lists them: of no patient, and on no topic."""

from collections.abc import Iterator

from shared.events import codes, fhir
from shared.events.envelope import Resource
from shared.events.internal import Listed

GENDER = "http://hl7.org/fhir/administrative-gender"


class GroupListed(Listed, frozen=True, kw_only=True):
    """Who is in the group now, by opaque ids alone, and for whom it is; "" for what does not restrict it. `closed_from`
    is a day. One that the program does not have any more is not `active`."""

    group_id: str
    schedule_id: str
    group: str
    active: bool
    members: tuple[str, ...]
    kind: str = ""
    seats: int = 0
    time: str = ""
    track: str = ""
    literacy: str = ""
    language: str = ""
    gender: str = ""
    modality: str = ""
    closed_from: str = ""
    therapist: str = ""
    room: str = ""

    def write(self, patient: str) -> list[Resource]:
        return [fhir.without_nothing(self._group()), fhir.without_nothing(self._schedule())]

    def _group(self) -> Resource:
        return {
            "resourceType": "Group",
            "id": self.group_id,
            "identifier": [{"system": codes.GROUP, "value": self.group}],
            "active": self.active,
            "type": "person",
            "actual": True,
            "code": fhir.concept(codes.SESSION, self.kind) if self.kind else None,
            "quantity": len(self.members),
            "characteristic": [*self._traits()],
            "member": [{"entity": fhir.reference("Patient", each)} for each in self.members],
        }

    def _traits(self) -> Iterator[fhir.Element]:
        coded = {
            "time": (codes.GROUP_TIME, self.time),
            "track": (codes.TRACK, self.track),
            "literacy": (codes.FLAG, self.literacy),
            "language": (codes.LANGUAGE, self.language),
            "gender": (GENDER, self.gender),
            "modality": (codes.MODALITY, self.modality),
        }
        for name, (system, code) in coded.items():
            if code:
                yield _trait(name) | {"valueCodeableConcept": fhir.concept(system, code)}
        if self.seats:
            yield _trait("seats") | {"valueQuantity": {"value": self.seats}}
        if self.closed_from:
            yield _trait("closed") | {"valueBoolean": True, "period": {"start": self.closed_from}}

    def _schedule(self) -> Resource:
        """A Schedule is of no Group in R4: the group is the service whose sessions they are."""
        return {
            "resourceType": "Schedule",
            "id": self.schedule_id,
            "identifier": [{"system": codes.GROUP, "value": self.group}],
            "active": self.active,
            "serviceType": [fhir.concept(codes.SESSION, self.kind)] if self.kind else [],
            "actor": [
                {"type": "HealthcareService", **fhir.logical(codes.GROUP, self.group)},
                *([fhir.reference("Practitioner", self.therapist)] if self.therapist else []),
                *([fhir.reference("Location", self.room)] if self.room else []),
            ],
        }


def _trait(name: str) -> fhir.Element:
    return {"code": fhir.concept(codes.GROUP_TRAIT, name), "exclude": False}
