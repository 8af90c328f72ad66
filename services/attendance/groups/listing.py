"""A group as whoever may reads it: its Group and its Schedule are listed anew whenever anything of them is other."""

from collections.abc import Sequence
from functools import reduce
from hashlib import sha256

import msgspec

from services.attendance import messages
from services.attendance.groups import groups
from services.attendance.groups.groups import Group
from services.attendance.groups.plan import GroupPlan, group_id
from services.attendance.settings import Settings
from shared.events.group_listed import GroupListed
from shared.events.internal import To
from shared.events.listed import schedule_id
from shared.rules.decision import Moment

Emitted = Sequence[messages.EmitsOfGroups]


def followed(
    before: Group, cause: messages.ConsumesOfGroups, emitted: Emitted, moment: Moment[Settings]
) -> list[messages.EmitsOfGroups]:
    """What was decided, and the group as it stands after it. Nothing of one that nobody has asked."""
    then = reduce(groups.evolve, (each for each in (cause, *emitted) if not isinstance(each, To)), before)
    if not then.name:
        return [*emitted]
    listed = _listed(then, moment.settings.groups.get(then.name), moment.program)
    form = sha256(msgspec.json.encode(listed)).hexdigest()[:8]
    return [*emitted] if form == then.listed else [*emitted, listed, messages.GroupShown(form=form)]


def _listed(group: Group, plan: GroupPlan | None, program: str) -> GroupListed:
    listed = GroupListed(
        group_id=group_id(program, group.name),
        schedule_id=schedule_id(program, group.name),
        group=group.name,
        active=plan is not None,
        members=tuple(each.patient_id for each in group.members),
    )
    if plan is None:
        return listed
    return msgspec.structs.replace(
        listed,
        kind=plan.kind,
        seats=plan.seats,
        time=plan.time,
        track=plan.track,
        literacy=plan.literacy,
        language=plan.language,
        gender=plan.gender,
        modality=plan.modality,
        closed_from=plan.closed_from,
        therapist=plan.therapist,
        room=plan.room,
    )
