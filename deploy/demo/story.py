"""Twelve weeks as an agenda: who does what, when, and what the hub is expected to do."""

from datetime import datetime, timedelta
from functools import partial

from deploy.demo import forms, ordering, pager, partner, silence
from deploy.demo.courses import ALUMNI, NOT_FIT, QUIET, UNQUIET
from deploy.demo.pager import Page
from deploy.demo.stay import WEEKS_IN_IOP, ZONE, Clinic, Stay
from shared.events import codes, fhir

LAST_WEEK = WEEKS_IN_IOP - 1
MISS_WEEK = 4
CLINIC = "riverbend-outpatient"
MUTUAL_HELP = ("alcoholics-anonymous", "narcotics-anonymous")


def begin(clinic: Clinic, run: str) -> dict[str, Stay]:
    """Put the whole story on the agenda. `run` makes the record numbers of one demo differ from another's."""
    stays = {each.letter: Stay(clinic, each, f"{run}-{each.letter}") for each in (QUIET, UNQUIET, NOT_FIT)}
    put, local = clinic.agenda.put, clinic.local
    for minute, stay in enumerate(stays.values()):
        put(local(0, 0, 9, minute), stay.refer)
        put(local(0, 0, 11, minute), stay.sign)
    put(local(0, 0, 11, 10), stays["A"].is_admitted)
    put(local(0, 0, 11, 11), stays["B"].is_admitted)
    put(local(0, 0, 11, 12), stays["C"].is_declined)
    for each in ("A", "B"):
        _stages(clinic, stays[each])
    _unquiet_week(clinic, stays["B"])
    ordering.begin(clinic, stays["B"])
    _discharges(clinic, stays["A"], stays["B"])
    _loops(clinic, stays["A"], stays["B"])
    _consents(clinic, stays["A"])
    put(local(LAST_WEEK + 1, 0, 15), partial(_no_group, stays["B"]))
    silence.begin(clinic, run)
    return stays


def _stages(clinic: Clinic, stay: Stay) -> None:
    """After two weeks the next stage, after six more the one whose hours taper; a look at the stay each week."""
    put, local = clinic.agenda.put, clinic.local
    for week in range(1, WEEKS_IN_IOP):
        put(local(week, 0, 15) - timedelta(minutes=week), stay.review)
    put(local(2, 4, 15, 30), partial(stay.advance, "early-recovery"))
    put(local(8, 4, 15, 30), partial(stay.advance, "maintenance"))
    put(local(8, 4, 15, 40), stay.tapers)


def _unquiet_week(clinic: Clinic, stay: Stay) -> None:
    """A miss nobody reports, a positive as testing is killed, both combined; then the laboratory corrects."""
    put, local = clinic.agenda.put, partial(clinic.local, MISS_WEEK)
    put(local(0, 9, 16), partial(_missed, stay))
    put(local(1, 8, 45), partial(_accepted, stay, "attendance", "attendance"))
    put(local(2, 10, 40), partial(_combined, stay))
    put(local(2, 12, 30), partial(_made_up, stay))
    put(local(4, 13, 0), partial(stay.report, MISS_WEEK, (), "C"))
    put(local(4, 13, 5), partial(_retracted, stay))
    put(local(4, 13, 30), partial(_resolved, stay))


async def _missed(stay: Stay) -> None:
    """Nobody reports it; its deadline passes."""
    day = f"{stay.clinic.local(MISS_WEEK, 0, 9):%Y-%m-%d}"
    found = await stay.driver.search("attendance", f"Appointment?patient={stay.patient}&date={day}&status=noshow")
    stay.expect(len(found) == 1, "a session without a check-in is missed at its deadline")
    await stay.escalated("attendance", "attendance")


async def _accepted(stay: Stay, service: str, category: str) -> None:
    await stay.answer(service, await stay.escalated(service, category), "accepted")


async def _made_up(stay: Stay) -> None:
    """By Wednesday noon the week is projected below its hours; the EHR books Thursday evening for the missed Monday."""
    task = await stay.escalated("attendance", "attendance")
    short = {fhir.code_of(each["type"]): each.get("valueInteger") for each in task["input"]}
    stay.expect(fhir.code_of(task["reasonCode"]) == "projected-week-short", "the week is short while it runs")
    stay.expect(short["projected-minutes"] < short["least-minutes"], "its Task says what it will have")
    await stay.make_up(MISS_WEEK, 0, stay.clinic.local(MISS_WEEK, 3, 19))
    stay.expect(await stay.status_of("attendance", task) == "cancelled", "a make-up takes that back")


async def _combined(stay: Stay) -> None:
    """Miss and unexpected positive within 7 days: intake escalates, and requests a review of the placement."""
    await _accepted(stay, "testing", "drug-test")
    await _taken_on_by_telephone(stay)
    await stay.one_task("intake", "requested", codes.TASK, "review-placement")


async def _taken_on_by_telephone(stay: Stay) -> None:
    """Its page rang whoever is on call, who opens the link and presses "I have it": only then is the patient shown."""
    await stay.escalated("intake", "combined")
    page, note, names = _the_page(stay, "combined"), stay.clinic.pager.note, (stay.mrn, stay.patient)
    opened = await pager.i_have_it(page.content["link"])
    early = page.body.decode() + opened.shown
    stay.expect(not any(each in early for each in names), "neither the page nor its opened link names the patient")
    stay.expect("I have it" in opened.shown, "the link asks whether they have it")
    note("its link, opened", "asks whether they have it, and changes nothing")
    stay.expect(all(each in opened.answered for each in names), "whoever has it is shown the patient's record number")
    stay.expect(f"Taken on by {pager.PERSON}" in opened.answered, "it is theirs by name")
    note('"I have it"', f"taken on by {pager.PERSON}, who is shown the patient's record number")
    task = await stay.one_task("intake", "accepted", codes.ESCALATION, "combined")
    note("its Task at intake", task["status"])


def _the_page(stay: Stay, category: str) -> Page:
    """The one that rang for this category."""
    pages = [each for each in stay.clinic.pager.pages if each.content["category"] == category]
    stay.expect(len(pages) == 1 and pages[0].genuine, f"whoever is on call is rung once, signed ({len(pages)} pages)")
    content = pages[0].content
    stay.expect(content["tier"] == "T3", f"the page names the tier ({content['tier']})")
    due = datetime.fromisoformat(content["acknowledge_by"]).astimezone(ZONE)
    reason = f"{content['tier']} {content['reason']}, to be acknowledged by {due:%a %H:%M}, and no patient"
    stay.clinic.pager.note("received, signed by the hub", reason)
    return pages[0]


async def _retracted(stay: Stay) -> None:
    """The result was wrong: what it raised is retracted, what the miss raised stays."""
    await stay.one_task("testing", "cancelled", codes.ESCALATION, "drug-test")
    await stay.one_task("intake", "cancelled", codes.ESCALATION, "combined")
    await stay.one_task("intake", "cancelled", codes.TASK, "review-placement")
    await stay.one_task("attendance", "accepted", codes.ESCALATION, "attendance")


async def _resolved(stay: Stay) -> None:
    task = await stay.one_task("attendance", "accepted", codes.ESCALATION, "attendance")
    await stay.answer("attendance", task, "completed", "patient-reached")
    stay.expect(await stay.status_of("attendance", task) == "completed", "the escalation is resolved by a person")


def _discharges(clinic: Clinic, quiet: Stay, unquiet: Stay) -> None:
    put, local = clinic.agenda.put, partial(clinic.local, LAST_WEEK, 4)
    for hour, stay in ((13, quiet), (14, unquiet)):
        put(local(hour), stay.discharge)
        put(local(hour, 5), partial(_aftercare_begins, stay))
        put(local(hour, 1) + timedelta(days=3), partial(_reached, stay))
        put(local(hour, 1) + timedelta(days=7), partial(_reached, stay))
        put(local(hour, 1) + timedelta(days=14), partial(_due, stay))


async def _aftercare_begins(stay: Stay) -> None:
    plans = await stay.driver.search("aftercare", f"CarePlan?patient={stay.patient}")
    stay.expect(len(plans) == 1, "an aftercare plan is made at discharge")
    lists = await stay.driver.search("aftercare", f"Communication?patient={stay.patient}")
    stay.expect(any(each.get("payload") for each in lists), "the patient gets a list of meetings")
    held = await stay.tasks("aftercare", "on-hold", codes.TASK, "referral")
    partners = [each["owner"]["identifier"]["value"] for each in held]
    stay.expect(
        partners == [ALUMNI.partner], f"the alumni referral waits for a consent that names the group ({partners})"
    )
    received = stay.clinic.partners.received(CLINIC)
    stay.expect(len(received) >= 1, "the step-down referral goes out under the treatment consent")


def _loops(clinic: Clinic, *stays: Stay) -> None:
    """The clinic accepts on Monday whom it was sent on Friday, and sees them on Thursday; the alumni group accepts."""
    put, local = clinic.agenda.put, clinic.local
    for stay in stays:
        put(local(LAST_WEEK + 1, 0, 9), partial(_answered, stay, CLINIC, "accepted", "accepted"))
        put(local(LAST_WEEK + 1, 3, 9), partial(_answered, stay, CLINIC, "attended", "in-progress"))
    put(local(LAST_WEEK + 1, 1, 9), partial(_answered, stays[0], ALUMNI.partner, "accepted", "accepted"))


async def _answered(stay: Stay, name: str, step: str, status: str) -> None:
    """The partner answers by the link that each referral brought it, which names nobody."""
    for bundle in stay.clinic.partners.received(name):
        shown = await partner.answer(bundle, step)
        stay.expect(not any(each in shown for each in (stay.mrn, stay.patient)), "a partner's link names no patient")
    found = await stay.tasks("aftercare", status, codes.TASK, "referral")
    steps = [fhir.code_of(each["businessStatus"]) for each in found if each["owner"]["identifier"]["value"] == name]
    stay.expect(steps == [step], f"the referral to {name} is {step} ({steps})")


async def _reached(stay: Stay) -> None:
    """The case manager calls when it is time, and completes the Task as reached."""
    task = await stay.one_task("aftercare", "requested", codes.TASK, "follow-up")
    await stay.answer("aftercare", task, "completed", "reached")


async def _due(stay: Stay) -> None:
    await stay.one_task("aftercare", "requested", codes.TASK, "follow-up")


def _consents(clinic: Clinic, stay: Stay) -> None:
    """On hold, given, sent; revoked, requested again, withheld."""
    put, local = clinic.agenda.put, clinic.local
    put(local(LAST_WEEK + 1, 0, 10), partial(_consent, stay))
    put(local(LAST_WEEK + 1, 0, 10, 5), partial(_sent, stay))
    put(local(LAST_WEEK + 2, 2, 10), partial(_revoke, stay))
    put(local(LAST_WEEK + 2, 3, 10), partial(_request_again, stay))
    put(local(LAST_WEEK + 2, 3, 10, 5), partial(_withheld, stay))


async def _consent(stay: Stay) -> None:
    form = forms.consent(stay.patient, ALUMNI.partner, ALUMNI.purpose, ALUMNI.fields, stay.driver.now, ALUMNI.days)
    stay.accepted(await stay.driver.post("intake", forms.transaction([form])), "a consent naming the alumni group")


async def _no_group(stay: Stay) -> None:
    """Nobody answered the referral on hold within 72 hours: the case manager asks the patient, who wishes no group."""
    (held,) = await stay.tasks("aftercare", "on-hold", codes.TASK, "referral")
    await stay.escalated("aftercare", "placement")
    form = forms.task_with_status(held, "cancelled") | {"owner": fhir.staff("case-manager-1")}
    stay.accepted(await stay.driver.put("aftercare", form), "a referral taken back")


async def _sent(stay: Stay) -> None:
    received = stay.clinic.partners.received(ALUMNI.partner)
    stay.expect(
        len(received) == 1, f"the alumni referral goes out once, now that a consent names the group ({len(received)})"
    )
    patients = [entry["resource"] for entry in received[0]["entry"] if entry["resource"]["resourceType"] == "Patient"]
    members = set(patients[0]) - {"resourceType", "id", "meta", "identifier"}
    stay.expect(members == {"name", "telecom"}, f"it holds what the consent lists and nothing more ({sorted(members)})")


async def _revoke(stay: Stay) -> None:
    given = await stay.driver.search("intake", f"Consent?patient={stay.patient}&status=active")
    named = [each for each in given if ALUMNI.partner in _named(each)]
    stay.expect(len(named) == 1, "the alumni consent can be found")
    stay.accepted(await stay.driver.put("intake", forms.task_with_status(named[0], "inactive")), "its revocation")


def _named(consent: forms.Resource) -> list[str]:
    return [each["reference"]["identifier"]["value"] for each in consent["provision"]["actor"]]


async def _request_again(stay: Stay) -> None:
    request = forms.referral_request(stay.patient, ALUMNI.partner, "alumni", "case-manager-1")
    stay.accepted(await stay.driver.post("aftercare", request), "a second request for the referral")


async def _withheld(stay: Stay) -> None:
    held = await stay.tasks("aftercare", "on-hold", codes.TASK, "referral")
    stay.expect(len(held) == 1, "a referral requested after the revocation is withheld")
    partners = stay.clinic.partners
    stay.expect(
        len(partners.received(ALUMNI.partner)) == 1, "the alumni group received one referral, before the revocation"
    )
    stay.expect(not any(partners.received(each) for each in MUTUAL_HELP), "no mutual-help group received anything")
