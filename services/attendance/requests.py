"""What persons are asked, as escalations: raised, updated, overdue, answered, retracted as the sessions change. Pure.

An open request is stored without what follows from the sessions; its escalation is made from both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce

import msgspec

from services.attendance import cap
from services.attendance.messages import (
    Emits,
    ProjectionChanged,
    ReopenEscalation,
    RequestsChanged,
    ResolveEscalation,
    SessionsChanged,
)
from services.attendance.misses import NOWHERE, Demand, at_risk, demands
from services.attendance.record import (
    OF_A_DAY,
    OWNER_BY_TIER,
    Episode,
    Request,
    RequestKind,
    Session,
    moment_of,
    second_of,
    sessions_named,
)
from services.attendance.settings import Settings
from services.attendance.silences import signs
from services.attendance.state import WEEK_SHORT, State, evolve
from shared.events.escalation import (
    IN_CONTACT,
    Escalation,
    EscalationEvent,
    EscalationOverdue,
    EscalationRaised,
    EscalationResolved,
    EscalationRetracted,
    Signal,
    SignalsCorrected,
)
from shared.rules import escalation as escalation_rules
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import SIGNALS_MOST, Open, StaysOpen, rule_version

RULES_VERSION = "2026.2"
MISS_SIGNAL = "missed-session"
REASON: dict[RequestKind, str] = {
    "missed": MISS_SIGNAL,
    "two-misses": "two-misses-in-7-days",
    "three-misses": "three-misses-in-14-days",
    "no-contact": "no-contact-after-miss",
    "no-attendance": "no-attendance",
    cap.OVER_CAP: cap.REASON,
    "late-or-partial": "late-or-partial-in-14-days",
    "leaves-groups": "leaves-groups",
    "week-short": WEEK_SHORT,
}
KIND: dict[str, RequestKind] = {
    **{reason: kind for kind, reason in REASON.items()},
    "three-consecutive-misses": "three-misses",
    "report-minutes": "report-minutes",
}
"""Of each reason that follows from the sessions."""
SUPERSEDED = "superseded"
MISSED_MOST = 16
"""Misses that persons may be asked about at once: beyond, the newest asks for the oldest too."""
QUESTIONS_MOST = 6
"""Reports that persons may be asked about at once; the newest stay."""
SILENT: frozenset[RequestKind] = frozenset({"no-contact", "no-attendance"})
MISSES: frozenset[RequestKind] = SILENT | {"missed", "two-misses", "three-misses", cap.OVER_CAP}
OF_THE_STAY: frozenset[RequestKind] = MISSES | {"late-or-partial", "leaves-groups", "week-short"}
"""What is asked only while the stay lasts."""
OF_SEVERAL: frozenset[RequestKind] = frozenset(
    {"two-misses", "three-misses", cap.OVER_CAP, "late-or-partial", "leaves-groups"}
)
FOLLOWING: frozenset[RequestKind] = OF_THE_STAY | {"report-minutes"}
"""What follows from the sessions; the others are asked about a report, or about a seat in a group."""
OWNERS: dict[RequestKind, str] = {"leaves-groups": "primary-therapist"}
"""Where another role is asked than that of the tier."""


@dataclass(frozen=True)
class Asked:
    """What was emitted, what stays open, and the sessions about which nobody is asked any more."""

    emitted: list[EscalationEvent]
    requests: tuple[Request, ...]
    sessions: tuple[Session, ...] = ()


def followed(before: State, after: State, moment: Moment[Settings], reason: str) -> Asked:
    """What a change of the sessions, or of the flags, changes in what persons are asked."""
    wanted = {_key(each): each for each in demands(after, moment.now, moment.settings)}
    stood = {_key(each): each for each in demands(before, moment.now, moment.settings)}
    emitted: list[EscalationEvent] = []
    left: list[Request] = []
    for request in after.escalations:
        known = stood.get((request.kind, request.place))
        demand = wanted.pop((request.kind, request.place), None)
        if demand is not None:
            now = _risen(request, known or demand, demand, after, moment)
            was, is_now = escalation(before, request, known or demand), escalation(after, now, demand)
            emitted += _updated(was, is_now, now, _gone(after, now, known or demand, demand), moment)
            left.append(now)
        elif known is not None and _is_over_since(known, after):
            ended = escalation(before, request, known)
            emitted.append(EscalationResolved(escalation=ended, at=moment.now, reason=IN_CONTACT))
        elif known is not None:
            retracted = escalation(before, request, known)
            emitted.append(EscalationRetracted(escalation=retracted, at=moment.now, reason=reason))
        else:
            left.append(request)
    for demand in wanted.values():
        asked = _asked(demand.kind, demand.place, demand.tier, moment, demand.act_by)
        left.append(msgspec.structs.replace(asked, about=demand.about))
        emitted.append(EscalationRaised(escalation=escalation(after, left[-1], demand), at=moment.now))
    return _bounded(after, emitted, left, moment)


def _is_over_since(known: Demand, after: State) -> bool:
    """Whether it was a silence that was too long indeed, and a sign of the patient came after that."""
    misses = {each.place for each in after.sessions if each.counts_as_missed}
    if known.too_long_at is None or known.place not in misses:
        return False
    found = [each for each in signs(known.kind, after.sessions, after.outreach) if each > known.sessions[0].start]
    return min(found, default=known.too_long_at) >= known.too_long_at


def question(
    state: State, kind: RequestKind, place: tuple[int, int], about: str, moment: Moment[Settings]
) -> tuple[list[EscalationEvent], tuple[Request, ...]]:
    """A person is asked about one report; again about the same, nobody is."""
    if any(each.kind == kind and each.about == about for each in state.escalations):
        return [], state.escalations
    asked = _about(about, kind, place, moment)
    emitted: list[EscalationEvent] = [EscalationRaised(escalation=escalation(state, asked), at=moment.now)]
    others = _questions(state)
    gone = others[: max(0, len(others) + 1 - QUESTIONS_MOST)]
    emitted += [_resolved(state, each, moment, SUPERSEDED) for each in gone]
    return emitted, (*(each for each in state.escalations if each not in gone), asked)


def late_question(
    state: State, session: Session | None, about: str, moment: Moment[Settings]
) -> tuple[EscalationRaised, Request] | None:
    """A person is asked about a report that came too late, unless about as many as they can be already."""
    place = session.place if session is not None else NOWHERE
    others = _questions(state)
    if len(others) >= QUESTIONS_MOST or any(each.about == about for each in others):
        return None
    asked = _about(about, "late-report", place, moment)
    return EscalationRaised(escalation=escalation(state, asked), at=moment.now), asked


def settled(
    state: State, about: str, moment: Moment[Settings], reason: str
) -> tuple[list[EscalationEvent], tuple[Request, ...]]:
    """The report was corrected: what was asked about it is taken back."""
    gone = [each for each in state.escalations if about and each.about == about]
    emitted: list[EscalationEvent] = [
        EscalationRetracted(escalation=_now(state, each, moment), at=moment.now, reason=reason) for each in gone
    ]
    return emitted, tuple(each for each in state.escalations if each not in gone)


def closed(
    state: State,
    kinds: frozenset[RequestKind] | None,
    reason: str,
    moment: Moment[Settings],
    about: frozenset[str] | None = None,
) -> tuple[list[EscalationEvent], tuple[Request, ...]]:
    """What is asked no more, though nobody answered: the stay is over. `kinds` of None means everything; of them what
    is `about` one of these, where any are named."""
    named = [each for each in state.escalations if about is None or each.about in about]
    gone = [each for each in named if kinds is None or each.kind in kinds]
    emitted: list[EscalationEvent] = [_resolved(state, each, moment, reason) for each in gone]
    return emitted, tuple(each for each in state.escalations if each not in gone)


def done(state: State, kind: RequestKind, reason: str, moment: Moment[Settings]) -> Asked:
    """A person has decided, elsewhere, what this asks: of these sessions nobody is asked again."""
    gone = [each for each in state.escalations if each.kind == kind]
    demanded = [demand for each in gone if (demand := _demand(state, each, moment)) is not None]
    answered = _with_answer([one for each in demanded for one in each.sessions], kind)
    emitted, left = closed(state, frozenset({kind}), reason, moment)
    return Asked(emitted, left, answered)


def overdue(state: State, moment: Moment[Settings]) -> tuple[list[EscalationEvent], tuple[Request, ...]]:
    """What nobody acknowledged in time, and what nobody acted on, whoever took it on: each once, one tier up."""
    emitted: list[EscalationEvent] = []
    left: list[Request] = []
    for request in state.escalations:
        if request.due is not None and request.due <= second_of(moment.now):
            known = _as_open(_now(state, request, moment), request)
            request = request.now(_after(known, escalation_rules.emit_overdue(known, moment.now)))
            late = _now(state, request, moment)
            emitted.append(EscalationOverdue(escalation=late, at=moment.now, accepted=request.accepted))
        left.append(request)
    return emitted, tuple(left)


def stays_open(state: State, command: StaysOpen, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A person takes it on, once, did something about it or hands it over: another one learns who was first."""
    found = _find(state, command.escalation_id)
    if found is None:
        return escalation_rules.NOT_OPEN
    known = _as_open(_now(state, found, moment), found)
    answer = escalation_rules.decide_escalation(known, command, moment)
    if isinstance(answer, Refused) or not answer:
        return answer if isinstance(answer, Refused) else []
    after = found.now(_after(known, answer))
    requests = tuple(after if each is found else each for each in state.escalations)
    return [*answer, RequestsChanged(requests=requests)]


def resolve(state: State, command: ResolveEscalation, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A person has acted on it, acknowledged before or not: of these sessions they aren't asked again."""
    found = _find(state, command.escalation_id)
    if found is None:
        return escalation_rules.NOT_OPEN
    answer = escalation_rules.decide_escalation(_as_open(_now(state, found, moment), found), command, moment)
    if isinstance(answer, Refused):
        return answer
    requests = tuple(each for each in state.escalations if each is not found)
    demand = _demand(state, found, moment)
    about = demand.sessions if demand is not None else ()
    answered = _answered(state, about, found.kind)
    return [*answer, RequestsChanged(requests=requests), *answered]


ASKED_OF_REPORT = Refused(
    "conflict",
    "What was asked about one report is not reopened: correct the report at its source, and what is unclear then is"
    " asked anew.",
    "Task.status",
)


def reopen(state: State, command: ReopenEscalation, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """Who resolved it is asked once more, as if nobody had answered for these sessions, where they ask for it still."""
    asked = command.escalation
    if (known := _find(state, asked.id)) is not None:
        return escalation_rules.reopen(_as_open(_now(state, known, moment), known), command, (), moment)
    kind, episode = KIND.get(asked.reason), state.episode
    if kind is None or episode is None or (episode.is_over and kind in OF_THE_STAY):
        refused = ASKED_OF_REPORT if kind is None else escalation_rules.STAY_OVER
        return escalation_rules.reopen((), command, refused, moment)
    sessions = _sessions(state, episode, asked)
    place = NOWHERE if kind in OF_SEVERAL or not sessions else sessions[0].place
    unanswered_now = _unanswered_now(state, episode, kind, sessions)
    after = evolve(state, unanswered_now)
    request = _once_more(asked, kind, place)
    demand = _demand(after, request, moment)
    if demand is None or demand.about != request.about:
        return escalation_rules.reopen((), command, (), moment)
    named = msgspec.structs.replace(asked, reason=demand.reason, rule=escalation(after, request, demand).rule)
    answer = escalation_rules.reopen(
        (), msgspec.structs.replace(command, escalation=named), _stands(state, after, request, demand), moment
    )
    if isinstance(answer, Refused):
        return answer
    now_open = (*state.escalations, request.now(_after((), answer)))
    return [*answer, unanswered_now, RequestsChanged(requests=now_open)]


def _stands(state: State, after: State, request: Request, demand: Demand) -> Sequence[Signal] | Refused:
    """The sessions that ask for it, unless somebody is asked the same of them already."""
    key = (request.kind, request.place)
    instead = next((each for each in state.escalations if (each.kind, each.place) == key), None)
    return _signals(after, request, demand) if instead is None else escalation_rules.already_asked(instead.id)


def _sessions(state: State, episode: Episode, asked: Escalation) -> list[Session]:
    """Those that its signals name, as far as they are remembered."""
    ids = tuple(each.evidence.partition("/")[2] for each in asked.signals)
    return sorted(sessions_named(episode, state.sessions, ids, asked.raised_at), key=lambda each: each.place)


def _once_more(asked: Escalation, kind: RequestKind, place: tuple[int, int]) -> Request:
    return Request(
        id=asked.id,
        kind=kind,
        place=place,
        tier=asked.tier,
        raised_at=second_of(asked.raised_at),
        acknowledge_by=second_of(asked.acknowledge_by),
        act_by=second_of(asked.act_by),
        owner="" if asked.owner == OWNER_BY_TIER[asked.tier] else asked.owner,
        about=asked.signals[0].evidence if kind == "week-short" and asked.signals else "",
    )


def _unanswered_now(
    state: State, episode: Episode, kind: RequestKind, sessions: Sequence[Session]
) -> SessionsChanged | ProjectionChanged:
    """As if nobody had answered for these sessions, or for the week."""
    if kind != "week-short" or state.projection is None:
        return SessionsChanged(episode_id=episode.id, sessions=_without_answer(sessions, kind))
    return ProjectionChanged(projection=msgspec.structs.replace(state.projection, answered=None))


def _without_answer(sessions: Sequence[Session], kind: RequestKind) -> tuple[Session, ...]:
    left = ((each, tuple(one for one in each.answered if one != kind)) for each in sessions)
    return tuple(msgspec.structs.replace(each, answered=kinds) for each, kinds in left)


def evidence(state: State, moment: Moment[Settings]) -> tuple[tuple[int, int], ...]:
    """The places of the sessions that something still open is about: they are not forgotten."""
    found = {each.place for each in state.escalations if each.place != NOWHERE}
    wanted = {_key(each): each for each in demands(state, moment.now, moment.settings)} if state.escalations else {}
    for request in state.escalations:
        demand = wanted.get((request.kind, request.place))
        found |= {each.place for each in _newest(demand.sessions)} if demand is not None else set()
    return tuple(sorted(found))


def withdrawn(episode: Episode, sessions: Sequence[Session]) -> SignalsCorrected:
    return SignalsCorrected(gone=tuple(_signal(episode, MISS_SIGNAL, each) for each in sessions))


def unanswered(sessions: Sequence[Session]) -> list[Session]:
    """Those of which a person has answered a miss, as if nobody had."""
    left = [(each, tuple(kind for kind in each.answered if kind not in MISSES)) for each in sessions]
    return [msgspec.structs.replace(each, answered=kinds) for each, kinds in left if kinds != each.answered]


def stated_anew(before: State, after: State, kind: RequestKind, moment: Moment[Settings]) -> list[EscalationEvent]:
    """What was and is asked, with numbers of its own that are others now."""
    stood = {each.id for each in before.escalations if each.kind == kind}
    asked = [each for each in after.escalations if each.id in stood]
    opened = (_as_open(_now(after, each, moment), each)[0] for each in asked)
    return [escalation_rules.updated(each, each.escalation, moment.now) for each in opened]


def is_open(state: State, identity: str) -> bool:
    return _find(state, identity) is not None


def excused_session(state: State, identity: str) -> Session | None:
    """The session that this request asks somebody to reach out for."""
    found = _find(state, identity)
    if found is None or found.kind != "missed":
        return None
    return next((each for each in state.sessions if each.place == found.place), None)


def escalation(state: State, request: Request, demand: Demand | None = None) -> Escalation:
    """The escalation that an open request is, by what the sessions are in this state."""
    reason = demand.reason if demand is not None else REASON.get(request.kind, request.kind)
    return Escalation(
        id=request.id,
        category="attendance",
        reason=reason,
        tier=request.tier,
        owner=request.asks,
        rule=rule_version("attendance", reason, RULES_VERSION),
        raised_at=moment_of(request.raised_at),
        acknowledge_by=moment_of(request.acknowledge_by),
        act_by=moment_of(request.act_by),
        signals=_signals(state, request, demand),
        handed_over=request.handing,
    )


def _signals(state: State, request: Request, demand: Demand | None) -> tuple[Signal, ...]:
    """The newest few sessions behind it; of a question also the report that it is about."""
    code = _code(request)
    at_place = [each for each in state.sessions if _is_there(each, request.place)]
    sessions = demand.sessions if demand is not None else at_place
    found = [_signal(state.episode, code, each) for each in _newest(sessions) if state.episode is not None]
    if request.about:
        when = moment_of(request.place[0] * 60) if request.place != NOWHERE else moment_of(request.raised_at)
        found.insert(0, Signal(code, when, request.about))
    return tuple(found)


def _is_there(session: Session, place: tuple[int, int]) -> bool:
    minute, slot = place
    return session.place == place or (slot == OF_A_DAY and 0 <= session.minute - minute < 24 * 60)


def _code(request: Request) -> str:
    return MISS_SIGNAL if request.kind in MISSES else request.kind


def _signal(episode: Episode, code: str, session: Session) -> Signal:
    return Signal(code, session.start, f"Appointment/{episode.session_id(session)}")


def _newest(sessions: Sequence[Session]) -> Sequence[Session]:
    return sessions[-SIGNALS_MOST:]


def _asked(
    kind: RequestKind, place: tuple[int, int], tier: int, moment: Moment[Settings], most: datetime | None = None
) -> Request:
    act_by = _in(moment.settings.escalation.act_minutes, tier, moment)
    return Request(
        id=moment.new_id(f"escalation:{kind}:{place}"),
        kind=kind,
        place=place,
        tier=tier,
        raised_at=second_of(moment.now),
        acknowledge_by=_in(moment.settings.escalation.acknowledge_minutes, tier, moment),
        act_by=act_by if most is None else min(act_by, second_of(_fair(most, moment))),
        owner=OWNERS.get(kind, ""),
    )


def _fair(most: datetime, moment: Moment[Settings]) -> datetime:
    """What became known late, after an outage or by a correction, is not overdue at once."""
    return max(most, moment.now + timedelta(hours=moment.settings.outreach_least_hours))


def _about(about: str, kind: RequestKind, place: tuple[int, int], moment: Moment[Settings]) -> Request:
    """Asked about one report: another one at the same place is another question."""
    asked = _asked(kind, place, 1, moment)
    return msgspec.structs.replace(asked, id=moment.new_id(f"{kind}:{about}"), about=about)


def _questions(state: State) -> list[Request]:
    return [each for each in state.escalations if each.kind not in FOLLOWING | {"group-seat"}]


def _in(minutes: tuple[int, int, int, int], tier: int, moment: Moment[Settings]) -> int:
    return second_of(moment.now) + minutes[tier - 1] * 60


def _risen(request: Request, known: Demand, demand: Demand, after: State, moment: Moment[Settings]) -> Request:
    """Asked anew at the higher tier; under an active risk, anything new is asked anew at the same one."""
    rises = demand.tier > request.tier
    more = bool({each.place for each in demand.sessions} - {each.place for each in known.sessions})
    if not rises and not (at_risk(after) and more):
        return request
    (known_open,) = _as_open(escalation(after, request, demand), request)
    tier, times = max(demand.tier, request.tier), moment.settings.escalation
    return request.now(escalation_rules.asked_anew(known_open, tier, moment.now, times))


def _updated(
    before: Escalation, now: Escalation, request: Request, gone: tuple[Signal, ...], moment: Moment[Settings]
) -> list[EscalationEvent]:
    """Nothing where it is the same. A signal that newer ones replace among the few shown was not wrong."""
    if before == now and not gone:
        return []
    (known,) = _as_open(now, request)
    return [escalation_rules.updated(known, now, moment.now, gone)]


def _gone(after: State, request: Request, known: Demand, demand: Demand) -> tuple[Signal, ...]:
    """The sessions that it is about no more, those that were not shown among them: whoever counts signals counted
    them too."""
    if after.episode is None:
        return ()
    places = {each.place for each in demand.sessions}
    gone = [each for each in known.sessions if each.place not in places]
    return tuple(_signal(after.episode, _code(request), each) for each in gone)


def _bounded(state: State, emitted: list[EscalationEvent], requests: list[Request], moment: Moment[Settings]) -> Asked:
    """At most so many misses at once: those that are reached for the newest are reached for the oldest."""
    missed = sorted((each for each in requests if each.kind == "missed"), key=lambda each: each.place)
    gone = missed[: max(0, len(missed) - MISSED_MOST)]
    emitted += [_resolved(state, each, moment, SUPERSEDED) for each in gone]
    places = {each.place for each in gone}
    sessions = _with_answer([each for each in state.sessions if each.place in places], "missed")
    return Asked(emitted, tuple(each for each in requests if each not in gone), sessions)


def _answered(state: State, sessions: Sequence[Session], kind: RequestKind) -> list[Emits]:
    if state.episode is None or not sessions:
        return []
    return [SessionsChanged(episode_id=state.episode.id, sessions=_with_answer(sessions, kind))]


def _with_answer(sessions: Sequence[Session], kind: RequestKind) -> tuple[Session, ...]:
    return tuple(msgspec.structs.replace(each, answered=tuple(sorted({*each.answered, kind}))) for each in sessions)


def _resolved(state: State, request: Request, moment: Moment[Settings], reason: str) -> EscalationResolved:
    return EscalationResolved(escalation=_now(state, request, moment), at=moment.now, reason=reason)


def _as_open(asked: Escalation, request: Request) -> tuple[Open, ...]:
    """As the rules that all services share know it."""
    return (Open(asked, request.accepted, request.is_overdue, request.accepted_by, request.acted),)


def _after(known: tuple[Open, ...], events: Sequence[EscalationEvent]) -> Open:
    (now,) = reduce(escalation_rules.evolve, events, known)
    return now


def _now(state: State, request: Request, moment: Moment[Settings]) -> Escalation:
    return escalation(state, request, _demand(state, request, moment))


def _demand(state: State, request: Request, moment: Moment[Settings]) -> Demand | None:
    key = (request.kind, request.place)
    return next((each for each in demands(state, moment.now, moment.settings) if _key(each) == key), None)


def _key(demand: Demand) -> tuple[RequestKind, tuple[int, int]]:
    return demand.kind, demand.place


def _find(state: State, identity: str) -> Request | None:
    return next((each for each in state.escalations if each.id == identity), None)
