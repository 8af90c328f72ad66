"""How a stay begins, or is declined."""

from services.intake import messages
from services.intake.decide.placing import known_of
from services.intake.decide.recording import medications_event
from services.intake.placement import schedule
from services.intake.placement.planned import episode_id
from services.intake.record import Referral
from services.intake.settings import Settings
from services.intake.stages import first_of
from services.intake.state import State
from services.intake.table import TABLE
from shared.events.envelope import name_id
from shared.rules.decision import Moment


def admitted(state: State, referral: Referral, level: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """The stay begins, with its track, flags and weekly template: those of now, whenever its level was signed."""
    about = known_of(state, moment)
    chosen, plan = schedule.flags(about), state.planned
    track = schedule.choose(TABLE.track, about) if plan else state.recommended and state.recommended.track
    track = track or "general"
    stages = moment.settings.stages
    stage = first_of(stages, level)
    admission = messages.EpisodeAdmitted(
        episode_id=episode_id(referral.id),
        plan_id=name_id(referral.id, "plan"),
        referral_id=referral.id,
        level=level,
        track=track,
        other_tracks=schedule.other_tracks(track, about),
        flags=chosen,
        template=schedule.template(stages[stage], track, chosen, moment.settings.sessions),
        admitted_at=moment.now,
        referral_task_id=referral.task_id,
        earlier=plan.earlier(moment.now) if plan else (),
        stage=stage,
    )
    # Testing grades on admission: that there is no list must reach it before, too.
    unknown = [medications_event((), moment)] if state.medications is None else []
    return [*unknown, admission]


def declined(state: State, referral: Referral, level: str, moment: Moment[Settings]) -> list[messages.Emits]:
    """Another level is needed now: the referral ends here."""
    rules = state.recommended.rules if state.recommended else ("R0",)
    decline = messages.EpisodeDeclined(
        episode_id=episode_id(referral.id),
        referral_id=referral.id,
        level=level,
        rules=rules,
        declined_at=moment.now,
        referral_task_id=referral.task_id,
    )
    return [decline, messages.RetentionBegan(retention_days=moment.settings.retention_days)]
