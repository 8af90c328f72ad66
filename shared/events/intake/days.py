"""How many days the patient has been in care for substance use, over all levels."""

from collections.abc import Sequence
from datetime import date, datetime

from shared.events import codes, fhir, reading
from shared.events.envelope import Event, Resource, name_id

DAYS = ("engaged-days", "days-in-stay", "days-in-earlier-stays", "days-elsewhere")
"""What is counted, the whole first; a day that is of two counts in the first of its parts alone."""


class EngagedDaysCounted(Event, frozen=True, kw_only=True):
    """Days in care, over stays and nights elsewhere that follow closely (domain 1.1: 90 days across the whole
    continuum): one Observation a stay, renewed. `at_least` where older care was forgotten; `is_over` once the stay is.
    """

    episode_id: str
    days: int
    in_stay: int
    in_earlier_stays: int
    elsewhere: int
    since_on: date
    until_on: date
    counted_at: datetime
    at_least: bool = False
    is_over: bool = False

    def write(self, patient: str) -> list[Resource]:
        whole, *parts = zip(DAYS, (self.days, self.in_stay, self.in_earlier_stays, self.elsewhere), strict=True)
        return [
            {
                "resourceType": "Observation",
                "id": name_id(self.episode_id, "engaged-days"),
                "status": "final" if self.is_over else "preliminary",
                "subject": fhir.reference("Patient", patient),
                "focus": [fhir.reference("EpisodeOfCare", self.episode_id)],
                "effectivePeriod": {"start": self.since_on, "end": self.until_on},
                "issued": self.counted_at,
                **self._value(*whole),
                "component": [self._value(*each) for each in parts],
            }
        ]

    def _value(self, code: str, days: int) -> fhir.Element:
        quantity = {"value": days, "unit": "d", "system": codes.UCUM, "code": "d"}
        comparator = {"comparator": ">="} if self.at_least and code == DAYS[0] else {}
        return {"code": fhir.concept(codes.COUNT, code), "valueQuantity": quantity | comparator}


class _Days(reading.Element, frozen=True):
    start: date
    end: date


class _Quantity(reading.Element, frozen=True):
    value: int
    comparator: str = ""


class _Component(reading.Element, frozen=True):
    value_quantity: _Quantity


class _Observation(reading.Read, frozen=True):
    status: str
    focus: tuple[reading.Reference, ...]
    effective_period: _Days
    issued: reading.Instant
    value_quantity: _Quantity
    component: tuple[_Component, ...]


@reading.reads(_Observation)
def read_engaged_days_counted(resources: Sequence[reading.Read]) -> EngagedDaysCounted:
    (found,) = reading.of_type(resources, _Observation)
    in_stay, earlier, elsewhere = (each.value_quantity.value for each in found.component)
    return EngagedDaysCounted(
        episode_id=fhir.own_id(found.focus[0].id),
        days=found.value_quantity.value,
        in_stay=in_stay,
        in_earlier_stays=earlier,
        elsewhere=elsewhere,
        since_on=found.effective_period.start,
        until_on=found.effective_period.end,
        counted_at=reading.utc(found.issued),
        at_least=found.value_quantity.comparator == ">=",
        is_over=found.status == "final",
    )
