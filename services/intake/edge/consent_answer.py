"""What a Consent is answered with: what it opens for whom, what it closes, or why nothing. Names are those of
partners.toml; nothing of the Consent is echoed.
"""

from datetime import datetime

import msgspec

from services.intake.edge.consenting import ConsentReading
from services.intake.messages import ConsentDenied, ConsentGiven, DenyConsent, RecordConsent
from shared.edge.contract import Context
from shared.edge.outcome import Issue
from shared.rules.consent import Partner, Permitted, is_about, may_disclose, reaches
from shared.rules.partner_kinds import TERMS


def remark(reading: ConsentReading, context: Context) -> Issue:
    match reading.command:
        case RecordConsent() as command:
            return _opens(ConsentGiven(**msgspec.structs.asdict(command)), reading.place, context)
        case DenyConsent() as command:
            return _closes(ConsentDenied(**msgspec.structs.asdict(command)), reading.place, context)
        case _:
            return Issue("warning", "business-rule", (reading.place,), f"Opens nothing. {reading.why}")


def _opens(given: ConsentGiven, place: str, context: Context) -> Issue:
    named = [each for each in context.settings.partners if reaches(given, each)]
    if not named:
        text = "Opens nothing. It names no partner of this program (partners.toml)."
        return Issue("warning", "business-rule", (f"{place}.provision.actor",), text)
    # It is answered for by itself: what else stands about the partner only the gate knows, when it is asked.
    lines = [_for_partner(given, each, context) for each in named]
    return Issue("information", "informational", (place,), " ".join(lines))


def _for_partner(given: ConsentGiven, partner: Partner, context: Context) -> str:
    answer = may_disclose([given], partner, context.program, context.now)
    if isinstance(answer, Permitted):
        fields, until = ", ".join(answer.fields) or "no field", _until(answer.until, context)
        return f"Opens {fields} for {partner.name}{until}, unless a no of its dateTime or a later one stands."
    begins = f" until {_local(answer.until, context)}" if answer.until else ""
    return f"Opens nothing for {partner.name}{begins}: {answer.reason}."


def _closes(denied: ConsentDenied, place: str, context: Context) -> Issue:
    closed = [each.name for each in context.settings.partners if is_about(denied, each)]
    if not closed:
        text = "Opens nothing. It denies no purpose of a partner of this program (partners.toml)."
        return Issue("warning", "business-rule", (f"{place}.provision",), text)
    of_what = f"{', '.join(denied.fields)} of what" if denied.fields else "what"
    text = f"Opens nothing, and closes {of_what} older consents opened for {', '.join(closed)}."
    courts = [each.name for each in context.settings.partners if each.name in closed and TERMS[each.kind].own_paper]
    bound = f" For {', '.join(courts)} not before the event of a consent that binds until then." if courts else ""
    agreed = [
        each.name
        for each in context.settings.partners
        if each.name in closed and each.agreement and each.identifier not in denied.recipients and not denied.fields
    ]
    under = f" What {', '.join(agreed)} is told under an agreement only a no that names it closes." if agreed else ""
    return Issue("information", "informational", (place,), f"{text}{bound}{under}")


def _until(end: datetime | None, context: Context) -> str:
    return f" until {_local(end, context)}" if end else ""


def _local(at: datetime, context: Context) -> str:
    return at.astimezone(context.time.zone).isoformat(timespec="minutes")
