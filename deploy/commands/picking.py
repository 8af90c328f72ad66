"""Which records of a topic a person wants to see: by what their headers say, without reading a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import get_args

from aiokafka import ConsumerRecord

from deploy.failure import CannotContinueError
from shared.events import wire
from shared.events.catalogue import BY_NAME, ENTRIES, ESCALATIONS
from shared.events.escalation import PRIORITY, Category

HEADERS = {"tier": "iop-tier", "category": "iop-category", "state": "iop-state", "program": "ce_program"}
POSSIBLE = {
    "tier": tuple(f"t{tier}" for tier in PRIORITY),
    "category": get_args(Category),
    "state": tuple(wire.escalation_state(each.event.__name__) for each in ENTRIES if each.topic == ESCALATIONS),
}
CORRELATION = "ce_correlationid"
_AGO = re.compile(r"(\d{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Picked:
    """Of each option the values of which one must be the record's; an option that is not given lets every record pass.

    A patient may be named by the first letters of their id, as a line of `iop tail` shows it. `headers` are by name.
    """

    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    patient: str = ""

    @classmethod
    def of(cls, event: list[str], patient: str, correlation: str, **options: list[str]) -> "Picked":
        """From the options of the command line; a tier may be written `3` or `T3`, and letters in any case.

        Raises CannotContinueError for what no record can have: a typing error would show nothing, for ever.
        """
        wanted = {HEADERS[name]: tuple(map(str.lower, given)) for name, given in options.items() if given}
        tiers = HEADERS["tier"]
        if tiers in wanted:
            wanted[tiers] = tuple(f"t{each.removeprefix('t')}" for each in wanted[tiers])
        for name, possible in POSSIBLE.items():
            if not set(wanted.get(HEADERS[name], ())) <= set(possible):
                raise CannotContinueError(f"{name.upper()} must be one of: {', '.join(possible)}")
        if correlation:
            wanted[CORRELATION] = (correlation.lower(),)
        events = tuple(map(str.lower, event))
        if not set(events) <= {name.lower() for name in BY_NAME}:
            raise CannotContinueError("EVENT must be one of the catalogue, docs/topics.md")
        return cls(wanted, events, patient.lower())

    def takes(self, record: ConsumerRecord, headers: Mapping[str, str]) -> bool:
        """Whether this record, with these headers as text, is one of them."""
        return (
            all(headers.get(name, "").lower() in given for name, given in self.headers.items())
            and (not self.events or wire.event_name(headers).lower() in self.events)
            and (not self.patient or self._is_about_the_patient(record))
        )

    def _is_about_the_patient(self, record: ConsumerRecord) -> bool:
        # The key is the patient, but of open escalations, whose Task says whom it is for.
        wanted = self.patient.encode()
        return bool((record.key or b"").startswith(wanted) or b'"Patient/' + wanted in (record.value or b""))


def ago(text: str) -> timedelta:
    """How long ago: `90s`, `30m`, `2h` or `1d`. Raises CannotContinueError."""
    found = _AGO.fullmatch(text)
    if found is None:
        raise CannotContinueError("SINCE must be a number and s, m, h or d, like 30m or 2h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
