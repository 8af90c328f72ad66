"""A signature under a placement: who selected which level, on which version, and who signed beside them.

It stands in the Task that is completed, in its Provenance and AuditEvent, and at the ServiceRequest that is signed."""

from datetime import datetime

import msgspec

from shared.events import audit, codes, fhir
from shared.events.envelope import Resource, name_id
from shared.events.intake.explanation import extension, part


class Signature(msgspec.Struct, frozen=True, array_like=True):
    """`request_id` is the ServiceRequest that is signed, `version` which of its versions was read (empty: nobody
    remembers). `signed_by` did it as `signed_as`, a role of theirs; who they are is `proved`, or stated by the client,
    as the medical director always is who signs against evidence of danger (`second_signed_by`)."""

    request_id: str
    level: str
    signed_by: str
    at: datetime
    reason: str | None = None
    signed_as: str = ""
    version: str = ""
    second_signed_by: str = ""
    second_signed_as: str = ""
    proved: bool = False

    @property
    def signed(self) -> fhir.Element:
        """The ServiceRequest, in the version that was read. By its name: the event's Bundle holds the next one, and a
        literal reference to another version of what a Bundle holds leads nowhere."""
        request = fhir.reference("ServiceRequest", self.request_id)
        if not self.version:
            return request
        named = {"system": codes.VERSION, "value": f"{request['reference']}/_history/{self.version}"}
        return {"type": "ServiceRequest", "identifier": named}

    def of_task(self) -> fhir.Element:
        """The elements of the completed Task that say it."""
        output = [_valued("level", "valueCodeableConcept", fhir.concept(codes.LEVEL, self.level))]
        if self.reason is not None:
            output.append(_valued("reason", "valueCodeableConcept", fhir.concept(codes.REASON, self.reason)))
        inputs = [("signed-version", self.signed)] if self.version else []
        if self.second_signed_by:
            inputs.append(("second-signature", fhir.staff(self.second_signed_by)))
        return fhir.without_nothing(
            {
                "lastModified": self.at,
                "owner": fhir.staff(self.signed_by),
                "input": [_valued(name, "valueReference", each) for name, each in inputs],
                "output": output,
            }
        )

    def of_request(self, episode: fhir.Element) -> fhir.Element:
        """What its ServiceRequest says of it, read alone; `episode` is what came of it."""
        second, again = self.second_signed_by, self.second_signed_as
        return extension(
            "placement-signature",
            part("level", "Coding", fhir.coding(codes.LEVEL, self.level)),
            part("reason", "Coding", fhir.coding(codes.REASON, self.reason) if self.reason else None),
            part("by", "Reference", fhir.staff(self.signed_by)),
            part("as", "Coding", fhir.coding(codes.OWNER, self.signed_as) if self.signed_as else None),
            part("second", "Reference", fhir.staff(second) if second else None),
            part("second-as", "Coding", fhir.coding(codes.OWNER, again) if again else None),
            part("at", "DateTime", self.at),
            part("version", "Reference", self.signed),
            part("episode", "Reference", episode),
        )

    def provenance(self, done: Resource) -> Resource:
        """With the version that was signed as its source, the role of who signed, and whoever signed beside them."""
        agents: list[fhir.Element] = list(done["agent"])  # type: ignore[call-overload]
        author, *others = agents
        if self.second_signed_by:
            second = {"type": fhir.concept(codes.PROVENANCE, "verifier"), "who": fhir.staff(self.second_signed_by)}
            others = [_as(second, self.second_signed_as), *others]
        return {
            **done,
            "agent": [_as(author, self.signed_as), *others],
            "entity": [{"role": "source", "what": self.signed}],
        }

    def audited(self, task_id: str, patient: str, client: str) -> Resource:
        """As an AuditEvent of this one act."""
        details = [("reason", self.reason)] if self.reason else []
        if self.version:
            details.append(("version", self.version))
        if self.second_signed_by:
            details.append(("second-signature", self.second_signed_by))
        return audit.of_step(
            name_id(task_id, "audit:completed"),
            self.at,
            service="intake",
            patient=patient,
            who=audit.Who(client, self.signed_by, self.signed_as, self.proved),
            task=task_id,
            step=fhir.coding(codes.TASK, "sign-placement"),
            details=details,
        )


def _valued(name: str, kind: str, value: fhir.Element) -> fhir.Element:
    return {"type": fhir.concept(codes.INPUT, name), kind: value}


def _as(agent: fhir.Element, role: str) -> fhir.Element:
    return {**agent, "role": [fhir.concept(codes.OWNER, role)]} if role else agent
