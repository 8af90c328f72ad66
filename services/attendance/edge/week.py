"""`GET Appointment/$week`: one patient's week, its minutes and its sessions, as it stands."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from services.attendance import outcomes, projection, spans, weeks
from services.attendance.record import Episode, Projection, Session
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.edge.contract import Context
from shared.edge.json import MutableJson
from shared.edge.outcome import refuse


def week(state: object, context: Context, at: datetime) -> MutableJson:
    """The week that holds this instant, as Parameters: minutes delivered, those projected with what is still planned,
    the least that are owed, of the running one those still bookable, days where who pays asks for some, and each
    session with what became of it. Raises HttpRefusal 404 for one that is not remembered."""
    assert isinstance(state, State)
    episode, settings = state.episode, context.settings
    around = weeks.week_around(state, at, settings)
    start, end = around.start, around.end
    if episode is None or end <= episode.admitted_at:
        raise refuse(404, "not-found", "", "No stay of this patient is known in that week.")
    if context.now - end > timedelta(days=settings.correction_days):
        raise refuse(404, "not-found", "", "That week is remembered no more; its sessions: Appointment?patient=&date=.")
    if start >= episode.booked_until:
        raise refuse(404, "not-found", "", f"That week is not booked yet: it is {settings.book_days} days ahead.")
    sessions = sorted((each for each in state.sessions if start <= each.start < end), key=lambda each: each.place)
    known = projection.of_week(around, settings)
    hours = projection.counted(episode, sessions, known, settings.timezone)
    runs = start <= context.now < end
    left = {"bookable-minutes": projection.bookable(state, end, context.now, settings)} if runs else {}
    numbers = {
        "least-minutes": known.minimum_minutes,
        "delivered-minutes": hours.delivered.minutes,
        "projected-minutes": hours.projected.minutes,
        **left,
        **(_days(known, hours) if known.minimum_days else {}),
    }
    parameters: list[MutableJson] = [
        {"name": "week", "valuePeriod": {"start": _instant(start), "end": _instant(end)}},
        *({"name": name, "valueInteger": number} for name, number in numbers.items()),
        *({"name": "session", "part": list(_session(episode, each, settings))} for each in sessions),
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


def _days(week: Projection, hours: projection.Counted) -> dict[str, int]:
    return {
        "least-days": week.minimum_days,
        "delivered-days": hours.delivered.days,
        "projected-days": hours.projected.days,
    }


def _session(episode: Episode, session: Session, settings: Settings) -> Iterator[MutableJson]:
    slot = episode.template[session.slot]
    fell_short = outcomes.shortfall(episode, session, settings) if session.outcome == "attended" else ""
    yield {"name": "appointment", "valueReference": {"reference": f"Appointment/{episode.session_id(session)}"}}
    yield {"name": "start", "valueInstant": _instant(session.start)}
    yield {"name": "end", "valueInstant": _instant(episode.end(session))}
    yield {"name": "kind", "valueCode": slot.kind}
    if slot.group:
        yield {"name": "group", "valueCode": slot.group}
    state = "pending" if session.mark == "asked" else session.outcome
    yield {"name": "state", "valueCode": fell_short or state}
    yield {"name": "minutes", "valueInteger": spans.minutes(episode, session)}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
