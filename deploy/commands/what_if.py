"""What `iop replay --program` prints: which decisions would have been others under another program.toml."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec
from rich.console import RenderableType
from rich.table import Table

from shared.path.transaction.consequences import Change, Kind, counted
from shared.path.transaction.supposing import WhatIf

UNKNOWN = (
    "People act here when they did, on what stands in the place of what they acted on. What they would have done"
    " otherwise nobody knows: what is more is answered by nobody, and never counted as overdue.",
    "The newest decision of each journal is the end: what would have come after it counts as fewer.",
    "Each service stands alone: it hears from the others what it heard.",
    "Partners, meetings, disclosures and the hub's own escalations (hub-hold) are as they were.",
)
"""What no number of it can know."""
TEXTS: Mapping[Kind, str] = {
    "more": "more",
    "fewer": "fewer",
    "tier": "other tier",
    "level": "other level",
    "time": "other time",
    "overdue": "overdue",
    "in time": "in time",
}
"""What a kind of change is called, in this order."""


class Answer(msgspec.Struct, frozen=True):
    """Of all services, as JSON: their decisions, how many of each kind by rule, and what can't be known."""

    services: list[WhatIf]
    rules: Mapping[str, Mapping[str, int]]
    unknown: tuple[str, ...] = UNKNOWN


def answer(found: list[WhatIf]) -> Answer:
    return Answer(found, counted(change for each in found for change in each.changes))


def merged(found: Iterable[WhatIf]) -> list[WhatIf]:
    """One result a service, of all its processes."""
    services: dict[str, WhatIf] = {}
    for each in found:
        whole = services.setdefault(each.service, WhatIf(service=each.service, since=each.since, until=each.until))
        whole.keys += each.keys
        whole.others = dict(Counter(whole.others) + Counter(each.others))
        whole.decisions += each.decisions
        whole.other += each.other
        whole.changes = sorted([*whole.changes, *each.changes], key=lambda change: (change.at, change.patient))
        whole.events = _summed(whole.events, each.events)
        whole.unfounded = dict(Counter(whole.unfounded) + Counter(each.unfounded))
        whole.left_out = dict(Counter(whole.left_out) + Counter(each.left_out))
    return list(services.values())


def _summed(some: Mapping[str, tuple[int, int]], more: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    both = {name: (some.get(name, (0, 0)), more.get(name, (0, 0))) for name in sorted({*some, *more})}
    return {name: (one[0] + two[0], one[1] + two[1]) for name, (one, two) in both.items()}


def named(keys: int, others: Mapping[str, int]) -> str:
    """Of so many keys the patients, and what else there is a key of."""
    kinds = "".join(f" ({kind}: {number})" for kind, number in sorted(others.items()))
    return f"{keys - sum(others.values())} patients{kinds}"


def shown(answered: Answer) -> Iterator[RenderableType]:
    """What a person reads: what was looked at, how many of each kind by rule, each change, and what can't be known."""
    yield from (line for each in answered.services for line in _lines(each))
    if answered.rules:
        yield _by_rule(answered.rules)
    changes = [change for each in answered.services for change in each.changes]
    yield from map(_line, sorted(changes, key=lambda change: change.at))
    yield from (f"- {each}" for each in answered.unknown)


def _lines(found: WhatIf) -> Iterator[str]:
    window = f"{_time(found.since)} to {_time(found.until)}" if found.until else "no decision"
    yield (
        f"{found.service}: {named(found.keys, found.others)},"
        f" {found.decisions} decisions about the same facts ({window}),"
        f" {found.other} come out otherwise, {len(found.changes)} changes"
    )
    for event, (was, would_be) in found.events.items():
        yield f"  {event}: {was}, would be {would_be}"
    for commands, count in found.unfounded.items():
        yield f"  {count} {commands} would be refused"
    for reason, keys in found.left_out.items():
        yield f"  {keys} are left out: {reason}"


def _by_rule(rules: Mapping[str, Mapping[str, int]]) -> Table:
    """Only with the kinds there are."""
    kinds = [each for each in TEXTS if any(each in counts for counts in rules.values())]
    table = Table("rule", *(TEXTS[each] for each in kinds))
    for rule, counts in rules.items():
        table.add_row(rule, *(str(counts.get(each, "")) for each in kinds))
    return table


def _line(change: Change) -> str:
    texts = [f", {label} {text}" for label, text in (("was", change.was), ("would be", change.would_be)) if text]
    kind = "".join((TEXTS[change.kind], *texts))
    return f"{_time(change.at)}  {change.patient}  {change.rule}: {kind} ({change.about})"


def _time(at: datetime | None) -> str:
    return "the beginning" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
