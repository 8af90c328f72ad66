"""A list of meetings that a person asks for: a CommunicationRequest as a command, the patient's wishes as codes."""

from services.aftercare.meeting_lists import MEETING_LIST
from services.aftercare.meetings.type_codes import LANGUAGES
from services.aftercare.meetings.wishes import CODES, FELLOWSHIP, FELLOWSHIPS, LANGUAGE, WISHES_MOST
from services.aftercare.messages import AskMeetings
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, has_code
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import acting, person
from shared.events import codes

NO_WISH = "no-preference"
"""What the patient wished before counts no more."""
UNREAD = ("payload", "note", "occurrenceDateTime", "occurrencePeriod", "medium", "replaces")
"""What a request may hold that no list is made by: it is refused, never passed over."""


def list_asked(entry: BundleEntry, context: Context) -> AskMeetings:
    """Only codes count: whatever else is wished for stands nowhere, so it is refused."""
    request, place = entry.resource, entry.place
    if request["status"] not in ("active", "draft"):
        raise refuse(422, "business-rule", f"{place}.status", "Must be active or draft.")
    if not any(has_code(each, codes.TASK, MEETING_LIST) for each in request.get("category", ())):
        raise refuse(422, "required", f"{place}.category", f"Must be {MEETING_LIST}, a code of {codes.TASK}.")
    for name in UNREAD:
        if name in request:
            raise refuse(
                422, "not-supported", f"{place}.{name}", "Not read: name what is wished as codes of reasonCode."
            )
    by = person(entry, context, "requester") if "requester" in request or acting(context) else ""
    return AskMeetings(request_id=str(entry.id), wishes=_wishes(request, place), asked_by=by)


def _wishes(request: Json, place: str) -> tuple[str, ...] | None:
    """None where nothing is stated: what was wished before stays."""
    stated = request.get("reasonCode", ())
    found = [_wish(concept, f"{place}.reasonCode[{number}]") for number, concept in enumerate(stated)]
    if len(found) > WISHES_MOST or (NO_WISH in found and len(found) > 1):
        text = f"Must be at most {WISHES_MOST} wishes, or {NO_WISH} alone."
        raise refuse(422, "business-rule", f"{place}.reasonCode", text)
    return tuple(dict.fromkeys(each for each in found if each != NO_WISH)) if found else None


def _wish(concept: Json, place: str) -> str:
    wishes = [each for each in codes_in(concept, codes.MEETING_WISH) if each in CODES or each == NO_WISH]
    fellowships = [f"{FELLOWSHIP}{each}" for each in codes_in(concept, codes.FELLOWSHIP) if each in FELLOWSHIPS]
    spoken = [f"{LANGUAGE}{each}" for each in codes_in(concept, codes.LANGUAGE) if each in LANGUAGES]
    read = [*wishes, *fellowships, *spoken]
    if len(read) != 1:
        text = (
            f"Must be one of {', '.join(sorted(CODES))} or {NO_WISH} ({codes.MEETING_WISH}), of "
            f"{', '.join(sorted(FELLOWSHIPS))} ({codes.FELLOWSHIP}), or a language's two letters ({codes.LANGUAGE})."
        )
        raise refuse(422, "code-invalid", place, text)
    return read[0]
