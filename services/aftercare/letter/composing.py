"""What stands in a letter: of the plan, of the last list of meetings, and of the feeds what the group alone may
tell. Pure; the same again is the same letter, letter by letter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.aftercare.letter_texts import Texts
from services.aftercare.meetings.meeting import Meeting
from shared.edge.fhir.elements import code_in, logical
from shared.edge.json import Json
from shared.events import codes
from shared.rules.organization import Organization

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NOT_WANTED = frozenset({"completed", "cancelled"})
"""Statuses of an activity that is behind the patient: it is done, or they don't want it."""


class Line(NamedTuple):
    """A line, and what it leads to (http or https), which stands behind it; `begins` a meeting."""

    text: str
    link: str = ""
    begins: bool = False


class Listed(NamedTuple):
    """A meeting of the list, by its lines, and who publishes it; empty where nobody does any more."""

    lines: tuple[Line, ...]
    publisher: str


class Section(NamedTuple):
    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """The whole of it. The meetings come after `before`; where some are left out, it says how many."""

    language: str
    texts: Texts
    sections: tuple[Section, ...]
    before: tuple[Line, ...] = ()
    meetings: tuple[Listed, ...] = ()
    gone: int = 0
    """Meetings of the list that no feed has any more."""

    def shown(self, meetings: Sequence[Listed]) -> tuple[Section, ...]:
        """All sections, with these of its meetings."""
        if not self.before:
            return self.sections
        texts, left_out = self.texts, len(self.meetings) - len(meetings)
        named = "; ".join(dict.fromkeys(each.publisher for each in meetings if each.publisher))
        lines = [line for each in meetings for line in each.lines]
        lines += [Line(texts.more.format(count=left_out))] if left_out else []
        lines += [Line(texts.gone.format(count=self.gone))] if self.gone else []
        lines += [Line(texts.source.format(sources=named))] if named else []
        return (*self.sections, Section(texts.meetings, (*self.before, *lines)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a letter is made of: the plan as it stands (a CarePlan), the appointments that partners gave by the kind of
    their referral, the last list (a Communication), the meetings of the feeds that stand on it by `feed|slug`, who
    publishes each feed, and how the program is reached."""

    plan: Json
    appointments: Mapping[str, datetime]
    listed: Json | None
    meetings: Mapping[str, Meeting]
    publishers: Mapping[str, str]
    program: Organization
    zone: ZoneInfo


def composed(known: Gathered, language: str, texts: Texts) -> Letter:
    sections = [Section(texts.help, tuple(_help(known.program, texts)))]
    for heading, lines in ((texts.safe, _safe), (texts.planned, _planned), (texts.contacts, _contacts)):
        if found := tuple(lines(known, texts)):
            sections.append(Section(heading, found))
    if known.listed is None:
        return Letter(language, texts, tuple(sections))
    payload = [each for each in known.listed["payload"] if _identifier(each) in known.meetings]
    return Letter(
        language,
        texts,
        tuple(sections),
        before=tuple(_before(known, known.listed, texts)),
        meetings=tuple(_listed(each, known, texts) for each in payload),
        gone=len(known.listed["payload"]) - len(payload),
    )


def identifiers(listed: Json | None) -> Sequence[str]:
    """Of the meetings of a list, as `feed|slug`."""
    return [_identifier(each) for each in listed["payload"]] if listed is not None else []


def _identifier(payload: Json) -> str:
    return logical(payload.get("contentReference"), codes.MEETING) or ""


def _help(program: Organization, texts: Texts) -> Iterator[Line]:
    yield Line(texts.danger)
    yield Line(texts.crisis)
    if program.crisis_phone:
        yield Line(texts.day_and_night.format(phone=program.crisis_phone))
    if program.phone and program.phone != program.crisis_phone:
        yield Line(texts.phone.format(phone=program.phone))


def _safe(known: Gathered, texts: Texts) -> Iterator[Line]:
    """Whatever the patient has chosen of it: it harms nobody who does not need it."""
    for _, code in _activities(known.plan):
        if code in texts.safety:
            yield Line(texts.safety[code])


def _planned(known: Gathered, texts: Texts) -> Iterator[Line]:
    for detail, code in _activities(known.plan):
        if code in texts.steps and detail["status"] not in _NOT_WANTED:
            yield Line(_step(texts.steps[code], known.appointments.get(code), _end(detail, known.zone), known, texts))


def _step(step: str, given: datetime | None, due: datetime | None, known: Gathered, texts: Texts) -> str:
    """With its appointment, else by when it is best."""
    if given is not None:
        at = given.astimezone(known.zone)
        return texts.appointment.format(step=step, day=texts.date(at), time=texts.clock(f"{at:%H:%M}"))
    return step if due is None else texts.by_day.format(step=step, day=texts.date(due))


def _activities(plan: Json) -> Iterator[tuple[Json, str]]:
    details = [each["detail"] for each in plan.get("activity", ())]
    return ((each, code) for each in details if (code := code_in(each.get("code"), codes.AFTERCARE)) is not None)


def _contacts(known: Gathered, texts: Texts) -> Iterator[Line]:
    contacts = [each["detail"] for each in known.plan.get("activity", ())]
    ahead = [each for each in contacts if code_in(each.get("code"), codes.TASK) and each["status"] == "scheduled"]
    if days := [texts.date(day) for each in ahead if (day := _end(each, known.zone)) is not None]:
        yield Line(texts.contact_days.format(days="; ".join(days)))


def _end(detail: Json, zone: ZoneInfo) -> datetime | None:
    end = detail.get("scheduledPeriod", {}).get("end")
    return None if end is None else datetime.fromisoformat(end).astimezone(zone)


def _before(known: Gathered, listed: Json, texts: Texts) -> Iterator[Line]:
    made_at = datetime.fromisoformat(listed["sent"]).astimezone(known.zone)
    yield Line(texts.check.format(day=texts.date(made_at)))
    if "reasonCode" in listed:
        yield Line(texts.none_near)


def _listed(payload: Json, known: Gathered, texts: Texts) -> Listed:
    meeting = known.meetings[_identifier(payload)]
    return Listed(tuple(_meeting(payload, meeting, texts)), known.publishers.get(meeting.feed, ""))


def _meeting(payload: Json, meeting: Meeting, texts: Texts) -> Iterator[Line]:
    """When by the list, for it has the patient's clock; all else as the feed has it now."""
    parts = [part for each in payload.get("extension", ()) for part in each["extension"]]
    days = [texts.days[_DAYS.index(each["valueCode"])] for each in parts if each["url"] == "weekday"]
    starts = [texts.clock(each["valueTime"]) for each in parts if each["url"] == "start"]
    yield Line(f"{', '.join([*days, *starts])}: {meeting.name}", begins=True)
    if "in-person" in meeting.venues:
        miles = next((each["valueInteger"] for each in parts if each["url"] == "miles"), None)
        yield Line(_place(meeting, miles, texts))
    yield from _from_afar(meeting, texts)


def _place(meeting: Meeting, miles: int | None, texts: Texts) -> str:
    stated = [each for each in (meeting.location, meeting.address) if each]
    place = texts.in_person.format(place=", ".join(stated or meeting.places) or texts.ask)
    return f"{place} {texts.within.format(miles=miles)}" if miles else place


def _from_afar(meeting: Meeting, texts: Texts) -> Iterator[Line]:
    """How to join: the group's secrets, which stand nowhere else."""
    if "online" in meeting.venues:
        link = meeting.link or meeting.url or ""
        yield Line(texts.online.format(how="" if link else texts.ask).rstrip(), link)
    if "phone" in meeting.venues:
        yield Line(texts.by_phone.format(how=meeting.phone or texts.ask))
    if meeting.notes:
        yield Line(texts.to_join.format(notes=meeting.notes))
