"""What the hub answered lies over what a sender writes, however the two come together in transactions."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as some

from shared.events import wire
from shared.events.intake import ReferralAnswered
from shared.path.destination import Routes
from shared.path.transaction import store
from shared.path.transaction.batch import Batch
from shared.path.transaction.resources import AcceptedResource, ResourceRow
from tests.events.examples import MONDAY, PATIENT, envelope
from tests.laws import examples

TASK, REFERRAL = "3b0c5a0e-2222-4c5a-9e0e-3f0c5a0e5a0e", "3b0c5a0e-1111-4c5a-9e0e-3f0c5a0e5a0e"
Step = tuple[str, str]
STEPS = some.lists(
    some.tuples(some.just("sent"), some.sampled_from(["requested", "cancelled", "entered-in-error"]))
    | some.tuples(some.just("answered"), some.sampled_from(["level-recommended", "placement-signed", "patient-died"])),
    min_size=1,
    max_size=6,
)


class Table:
    """Table resources as its statements leave it: an answer that is stored stays until there is another."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], ResourceRow] = {}

    async def fetch(self, _statement: str, _programs: Any, types: Sequence[str], ids: Sequence[str]) -> list[Any]:
        found = [self.rows[name] for name in zip(types, ids, strict=True) if name in self.rows]
        return [msgspec.structs.asdict(each) for each in found]

    def transaction(self, steps: Sequence[Step]) -> None:
        batch = Batch("patient", {}, Routes(()))
        for kind, value in steps:
            if kind == "sent":
                body = {
                    "resourceType": "Task",
                    "id": TASK,
                    "status": value,
                    "description": value,
                    "owner": {"display": value},
                }
                batch.accept(
                    [AcceptedResource("Task", TASK, msgspec.json.encode(body).decode(), value)], "demo", PATIENT
                )
            else:
                event = answer(value)
                batch.emit(event, wire.write(event, envelope(event)), PATIENT, "demo")
        asyncio.run(store._amend(self, batch))  # type: ignore[arg-type]
        for (_, *name), row in batch.resources.items():
            before = self.rows.get((name[0], name[1]))
            stored = row.answer or (before.answer if before else None)
            self.rows[name[0], name[1]] = msgspec.structs.replace(row, answer=stored)

    @property
    def task(self) -> tuple[dict[str, Any], str | None]:
        row = self.rows["Task", TASK]
        return msgspec.json.decode(row.body), row.status


def answer(reason: str) -> ReferralAnswered:
    """An open one names whose turn it is, a closed one nobody."""
    owner = "licensed-clinician" if reason == "level-recommended" else ""
    return ReferralAnswered(
        referral_id=REFERRAL, task_id=TASK, reason=reason, priority="routine", answered_at=MONDAY, owner=owner
    )


@example(steps=[("answered", "level-recommended"), ("sent", "requested"), ("answered", "placement-signed")], cuts={1})
@given(steps=STEPS, cuts=some.sets(some.integers(1, 5)))
@settings(max_examples=examples(100))
def test_the_same_is_read_however_updates_and_answers_are_parted_into_transactions(
    steps: list[Step], cuts: set[int]
) -> None:
    one_by_one, parted = Table(), Table()
    for step in steps:
        one_by_one.transaction([step])
    places = [0, *sorted(each for each in cuts if each < len(steps)), len(steps)]
    for first, last in pairwise(places):
        parted.transaction(steps[first:last])
    assert parted.task == one_by_one.task


@given(steps=STEPS)
@settings(max_examples=examples(100))
def test_the_last_answer_stands_beside_what_its_sender_wrote_last(steps: list[Step]) -> None:
    table = Table()
    table.transaction(steps)
    task, status = table.task
    answers, sent = ([value for kind, value in steps if kind == name] for name in ("answered", "sent"))
    assert task.get("description") == (sent[-1] if sent else None) and task["status"] == status
    if answers:
        assert task["statusReason"]["coding"][0]["code"] == answers[-1]
        assert task["businessStatus"]["coding"][0]["code"] == answer(answers[-1]).state
    if answers and steps[-1] != ("sent", "entered-in-error"):
        written: list[Any] = answer(answers[-1]).write(PATIENT)
        assert status == written[1]["status"]
