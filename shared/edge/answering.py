"""What a submission is answered once it is stored: each of its entries, in their order, and what a person is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.edge import updates
from shared.edge.clients import Caller
from shared.edge.fhir import Answered, BundleEntry
from shared.edge.outcome import Issue, outcome
from shared.edge.resolving import Resolved
from shared.path.transaction.delivery import Committed, Incomplete
from shared.path.transaction.puts import Repeated, new_tasks
from shared.path.transaction.resources import Name

_READ_ONLY = Issue("information", "informational", (), "Read as context of the rest, and not stored.")
_ALONG = Answered("200 OK", outcome=outcome([_READ_ONLY]))


@dataclass(frozen=True)
class Done:
    """What became of a submission: an answer for each of its entries, in their order."""

    answered: tuple[Answered, ...]
    incomplete: bool


def done(
    resolved: Resolved,
    answer: Committed | Incomplete,
    remarks: Mapping[str, tuple[Issue, ...]],
    repeated: Mapping[Name, Repeated],
    caller: Caller,
) -> Done:
    """What became of each entry: stored now (`answer`), there already (`existing`), or sent again (`repeated`)."""
    versions = {name: stored.version for name, stored in resolved.stored.items()}
    versions |= {name: each.version for name, each in repeated.items()}
    if isinstance(answer, Committed):
        versions |= {(kind, name): number for kind, name, number in answer.resources}
    remarked = {**remarks, **{identity: updates.remarks(each) for (_, identity), each in repeated.items()}}
    asked = _asked(resolved, answer, repeated, caller)
    answers = [
        _existing(each, resolved.existing[each.type, str(each.id)])
        if (each.type, each.id) in resolved.existing
        else answered(each, versions, (*remarked.get(str(each.id), ()), *(asked if place == 0 else ())))
        for place, each in enumerate(resolved.entries)
    ]
    for ordinal in sorted(resolved.along):
        answers.insert(ordinal, _ALONG)
    incomplete = isinstance(answer, Incomplete) or any(each.incomplete for each in repeated.values())
    return Done(tuple(answers), incomplete)


def _asked(
    resolved: Resolved, answer: Committed | Incomplete, repeated: Mapping[Name, Repeated], caller: Caller
) -> tuple[Issue, ...]:
    """What a person is asked because of it, named to whoever may read that: no sender takes it for done."""
    if not caller.may("Task", "r"):
        return ()
    own = {str(each.id) for each in resolved.entries}
    tasks = dict.fromkeys((*new_tasks(answer), *(each for one in repeated.values() for each in one.asked)))
    return tuple(
        Issue("information", "informational", (), f"See Task/{each}: a person is asked, or it says how this goes on.")
        for each in tasks
        if each not in own
    )


def answered(entry: BundleEntry, versions: Mapping[tuple[str, str], int], remarks: tuple[Issue, ...] = ()) -> Answered:
    """Of one entry; `versions` by type and id are those it has now."""
    version = str(versions.get((entry.type, str(entry.id)), 1))
    created = entry.method == "POST" and version == "1"  # a Patient posted again is an update
    status = "201 Created" if created else "200 OK"
    location = f"{entry.type}/{entry.id}/_history/{version}"
    return Answered(status, location, version, outcome=outcome(remarks) if remarks else None)


def _existing(entry: BundleEntry, version: int) -> Answered:
    return Answered("200 OK", f"{entry.type}/{entry.id}/_history/{version}", str(version))
