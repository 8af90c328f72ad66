"""A patient's list of meetings, from the question to what fits: on no topic but for which meetings these are."""

from datetime import datetime
from typing import ClassVar

from services.aftercare.meetings.matching import Offer
from services.aftercare.meetings.wishes import FELLOWSHIP, LANGUAGE, Wishes
from shared.events import codes, fhir
from shared.events.aftercare import MeetingListPrepared, meeting_reference
from shared.events.envelope import Command, Event, Resource
from shared.events.internal import Listed, Lookup
from shared.rules.packing import pack_id

MEETING_LIST = "meeting-list"
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
ASKED_MOST = 8
"""Lists of one patient that are looked for at once; of more the oldest is given up."""


class MeetingsAsked(Lookup, frozen=True, kw_only=True, tag=True):
    """Which of the program's meetings fit these wishes, at most `most` of them."""

    lane: ClassVar[str] = "lookup:meetings"
    list_id: str
    plan_id: str
    wishes: Wishes
    most: int
    asked_at: datetime
    request_id: str = ""
    """What a person asked for it by, where one did."""
    near_miles: tuple[int, ...] = (5, 10, 25)
    """Within how many miles a place is near, in bands; the default is of what was asked before it was a setting."""


class MeetingsMatched(Event, frozen=True, kw_only=True, tag=True):
    """What fits, of the snapshot of this digest: none where nothing does; `is_near` where one of all that fit can be
    gone to."""

    list_id: str
    plan_id: str
    offers: tuple[Offer, ...]
    snapshot: str
    is_near: bool = True
    request_id: str = ""


class AskMeetings(Command, frozen=True, kw_only=True, tag=True):
    """A person asks for a list. `wishes` are the patient's own from now on, as codes; None: what they wished stays."""

    request_id: str
    wishes: tuple[str, ...] | None = None
    asked_by: str = ""


class MeetingsRequested(Listed, frozen=True, kw_only=True):
    """The request as it is read: it is over at once, and its list is based on it."""

    request_id: str
    wishes: tuple[str, ...]
    asked_at: datetime
    asked_by: str = ""

    def write(self, patient: str) -> list[Resource]:
        return [
            fhir.without_nothing(
                {
                    "resourceType": "CommunicationRequest",
                    "id": self.request_id,
                    "status": "completed",
                    "category": [fhir.concept(codes.TASK, MEETING_LIST)],
                    "subject": fhir.reference("Patient", patient),
                    "recipient": [fhir.reference("Patient", patient)],
                    "authoredOn": self.asked_at,
                    "requester": fhir.logical(codes.STAFF, self.asked_by) if self.asked_by else None,
                    "reasonCode": [_wish(each) for each in self.wishes],
                }
            )
        ]


def _wish(code: str) -> Resource:
    for prefix, system in ((FELLOWSHIP, codes.FELLOWSHIP), (LANGUAGE, codes.LANGUAGE)):
        if code.startswith(prefix):
            return fhir.concept(system, code.removeprefix(prefix))
    return fhir.concept(codes.MEETING_WISH, code)


class MeetingListDetailed(Listed, frozen=True, kw_only=True):
    """The list as whoever cares for the patient reads it: what a topic does not hold, for it tells where they live."""

    prepared: MeetingListPrepared
    offers: tuple[Offer, ...]

    def write(self, patient: str) -> list[Resource]:
        (communication,) = self.prepared.write(patient)
        payload = [{"extension": [_offer(offer)], **meeting_reference(offer.meeting)} for offer in self.offers]
        return [{**communication, "payload": payload}]


def _offer(offer: Offer) -> Resource:
    """Extensions in an extension; `miles` only where the distance is known."""
    days = [fhir.without_nothing({"url": "weekday", "valueCode": _DAYS[each]}) for each in offer.weekdays]
    ways = [fhir.without_nothing({"url": "way", "valueCode": each}) for each in offer.venues]
    start, miles = {"url": "start", "valueTime": f"{offer.start}:00"}, {"url": "miles", "valueInteger": offer.miles}
    return {"url": codes.MEETING_OFFER, "extension": [*days, start, *ways, *([miles] if offer.miles else [])]}


def after(lists: tuple[str, ...], event: MeetingsAsked | MeetingsMatched) -> tuple[str, ...]:
    """The lists that are looked for, by id (packed): with what is asked, without what is answered."""
    others = tuple(each for each in lists if each != pack_id(event.list_id))
    return (*others, pack_id(event.list_id))[-ASKED_MOST:] if isinstance(event, MeetingsAsked) else others


def is_awaited(lists: tuple[str, ...], event: MeetingsMatched) -> bool:
    return pack_id(event.list_id) in lists
