"""One patient's twelve weeks: stage, hours a week, sessions, drug tests, escalations, consents, follow-ups."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from deploy.demo.chart import Chart, Raised, Result, Session
from deploy.demo.consent_rows import consents
from deploy.demo.drawing import (
    DAY,
    GAP,
    LANE,
    LEFT,
    RIGHT,
    TOP,
    WEEKS,
    WIDTH,
    Sheet,
    bar,
    labels,
    mark,
    row_name,
    shown_at,
)
from deploy.demo.markup import Markup, element, text

HOURS_LOW, HOURS_HIGH, HOURS_SHOWN, HOURS_HEIGHT = 9, 20, 22, 92.0
KINDS = ("group", "individual", "family")
SESSION_SHAPE = {"attended": "dot", "missed": "cross", "excused": "ring"}
POSITIVE = ("unexpected-positive", "unexplained-positive")


def draw(letter: str, chart: Chart, monday: datetime) -> Markup:
    """The SVG, with a title and a description for who cannot see it. A row with nothing in it is left out."""
    sheet = Sheet(monday)
    rows = [
        drawn
        for row in (_stage, _hours, _sessions, _tests, _escalations, consents, _follow_ups)
        for drawn in row(sheet, chart)
    ]
    height = sheet.y - GAP / 2
    title, description = f"title-{letter}", f"description-{letter}"
    return element(
        "svg",
        element("title", f"Timeline of patient {letter}", id=title),
        element("desc", describe(chart), id=description),
        *_weeks(sheet, height),
        *rows,
        viewBox=f"0 0 {WIDTH} {height:.0f}",
        role="img",
        aria_labelledby=f"{title} {description}",
    )


def describe(chart: Chart) -> str:
    """The timeline in words."""
    outcomes = [each.outcome for each in chart.sessions.values()]
    ended = [each.ended for each in chart.escalations.values()]
    return (
        f"{chart.stage}. Sessions: {outcomes.count('attended')} attended, {outcomes.count('missed')} missed, "
        f"{outcomes.count('excused')} excused. Drug tests: {len(chart.results)}. Escalations: {len(ended)}, "
        f"of them {ended.count('retracted')} retracted and {ended.count('resolved')} resolved."
    )


def _weeks(sheet: Sheet, height: float) -> Iterator[Markup]:
    for week in range(WEEKS):
        start = sheet.monday + timedelta(weeks=week)
        x, width = sheet.x(start), sheet.x(start + timedelta(weeks=1)) - sheet.x(start)
        if week % 2 == 0:
            yield element("rect", x=x, y=TOP - 8, width=width, height=height - TOP + 8, class_="stripe")
        yield element("text", f"week {week + 1}", x=x + 5, y=14, class_="week")
        yield element("text", f"{start:%d %b}", x=x + 5, y=27, class_="label")


def _stage(sheet: Sheet, chart: Chart) -> Iterator[Markup]:
    y = sheet.take(LANE)
    yield row_name("stage", y + LANE / 2)
    referred = next((step.at for step in chart.steps if step.event == "ReferralReceived"), sheet.monday)
    begins = chart.admitted_at or chart.declined_at or sheet.end
    spans = [(referred, begins, "referred", "referred")]
    if chart.admitted_at:
        over = chart.discharged_at or sheet.end
        spans.append((chart.admitted_at, over, "care", f"in the IOP, track {chart.track}"))
        if chart.discharged_at:
            spans.append((over, sheet.end, "after", f"aftercare ({chart.disposition})"))
    for start, end, kind, label in spans:
        x, to = sheet.x(start), sheet.x(end)
        yield bar(x, to, y, LANE, f"stage {kind}", f"{label}, from {shown_at(start)}")
        if to - x > 60:
            yield element("text", label, x=x + 9, y=y + LANE / 2 + 4, class_="on-bar")
    if chart.declined_at:
        x = sheet.x(chart.declined_at)
        yield mark(x + 12, y + LANE / 2, "barred", "quiet", f"declined {shown_at(chart.declined_at)}")
        label = f"not the IOP now: level {chart.level} recommended and signed, by rules {', '.join(chart.rules)}"
        yield element("text", label, x=x + 26, y=y + LANE / 2 + 4, class_="outcome")


def _hours(sheet: Sheet, chart: Chart) -> Iterator[Markup]:
    """Attended hours of each week, beside the 9 that an IOP has at least and the 20 that are another level."""
    if chart.admitted_at is None:
        return
    y = sheet.take(HOURS_HEIGHT)
    scale = HOURS_HEIGHT / HOURS_SHOWN
    yield row_name("hours a week", y + HOURS_HEIGHT - (HOURS_LOW + HOURS_HIGH) / 2 * scale)
    for limit in (HOURS_LOW, HOURS_HIGH):
        at = y + HOURS_HEIGHT - limit * scale
        yield element("path", d=f"M{LEFT} {at:.1f}H{WIDTH - RIGHT}", class_="limit")
        yield element("text", f"{limit} h", x=LEFT - 14, y=at + 4, class_="label", text_anchor="end")
    for week in range(WEEKS):
        start = sheet.monday + timedelta(weeks=week)
        held = [each for each in chart.sessions.values() if start <= each.start < start + timedelta(weeks=1)]
        hours = sum(each.minutes for each in held if each.outcome == "attended") / 60
        if hours:
            short = any(start - DAY < each < start + DAY for each in chart.short_weeks)
            top = y + HOURS_HEIGHT - hours * scale
            x, to = sheet.x(start) + 16, sheet.x(start + timedelta(weeks=1)) - 16
            kind = "hours short" if short else "hours"
            label = f"{hours:g} h" + (" short" if short else "")
            yield bar(x, to, top, hours * scale, kind, f"week {week + 1}: {label}")
            yield element("text", label, x=(x + to) / 2, y=y + HOURS_HEIGHT - 8, class_="in-bar", text_anchor="middle")


def _sessions(sheet: Sheet, chart: Chart) -> Iterator[Markup]:
    held = [session for session in chart.sessions.values() if session.outcome in SESSION_SHAPE]
    if not held:
        return
    y = sheet.take(len(KINDS) * 17.0)
    for lane, kind in enumerate(KINDS):
        at = y + lane * 17 + 8
        yield row_name(f"{kind} sessions", at)
        yield from (_session(sheet, session, at) for session in held if session.kind == kind)
    missed = [
        (sheet.x(session.start), "missed")
        for session in held
        if session.outcome == "missed" and session.kind == "group"
    ]
    yield labels(missed, y - 4)


def _session(sheet: Sheet, session: Session, y: float) -> Markup:
    tip = f"{session.kind} session {shown_at(session.start)}: {session.outcome}"
    tip += f", {session.minutes} min" if session.minutes else ""
    return mark(sheet.x(session.start), y, SESSION_SHAPE[session.outcome], session.outcome, tip)


def _tests(sheet: Sheet, chart: Chart) -> Iterator[Markup]:
    if not chart.results:
        return
    y = sheet.take(LANE + 12)
    yield row_name("drug tests", y + LANE / 2)
    placed = []
    for ordered in chart.ordered.values():
        for step in (each for each in ordered.steps if each.event == "LaboratoryOrderSent"):
            x = sheet.x(step.at) - 16
            yield mark(x, y + LANE / 2, "ring", "expected", f"sent to {ordered.partner} {shown_at(step.at)}")
            placed.append((x, "ordered"))
    for result in sorted(chart.results.values(), key=lambda result: result.collected_at):
        x, (shape, kind, label) = sheet.x(result.collected_at), _meaning(result)
        outcomes = ", ".join(f"{analyte} {outcome}" for analyte, outcome in result.outcomes.items())
        tip = f"collected {shown_at(result.collected_at)}: {outcomes}"
        if result.was:
            yield mark(x, y + LANE / 2, "triangle", "corrected", f"first reported: {', '.join(result.was.values())}")
            x += 16
        yield mark(x, y + LANE / 2, shape, kind, tip)
        placed.append((x - 8 if result.was else x, label))
    yield labels(sorted((x, label) for x, label in placed if label), y + LANE + 8)


def _meaning(result: Result) -> tuple[str, str, str]:
    """Shape, kind and label for a specimen, by the most notable of its outcomes."""
    outcomes = set(result.outcomes.values())
    if any(outcome.startswith(POSITIVE) for outcome in outcomes):
        return "triangle", "unexpected", "unexpected positive"
    if result.baseline:
        return "square", "baseline", "baseline"
    if result.was:
        return "dot", "expected", "positive, corrected"
    return ("diamond" if "expected-positive" in outcomes else "dot"), "expected", ""


def _escalations(sheet: Sheet, chart: Chart) -> Iterator[Markup]:
    raised = sorted(chart.escalations.values(), key=lambda escalation: escalation.raised_at)
    if not raised:
        return
    y = sheet.take(len(raised) * LANE)
    yield row_name("escalations", y + LANE / 2)
    for lane, escalation in enumerate(raised):
        yield from _escalation(sheet, escalation, y + lane * LANE)


def _escalation(sheet: Sheet, escalation: Raised, y: float) -> Iterator[Markup]:
    x, to = sheet.x(escalation.raised_at), sheet.x(escalation.ended_at or sheet.end)
    ended = f"{escalation.ended} ({escalation.end_reason})" if escalation.ended else "open"
    label = f"T{escalation.tier} {escalation.reason} → {ended}"
    tip = f"raised {shown_at(escalation.raised_at)} to the {escalation.owner}"
    tip += f", acknowledged {shown_at(escalation.acknowledged_at)}" if escalation.acknowledged_at else ""
    tip += f", {escalation.ended} {shown_at(escalation.ended_at)}" if escalation.ended_at else ""
    yield bar(x, to, y + 5, LANE - 10, f"tier tier-{escalation.tier} {escalation.ended or 'open'}", tip)
    leans_left = x > WIDTH * 0.6
    at, anchor = (x - 8, "end") if leans_left else (max(to, x + 3) + 8, "start")
    yield element("text", label, x=at, y=y + LANE / 2 + 4, class_=f"outcome {escalation.ended}", text_anchor=anchor)


def _follow_ups(sheet: Sheet, chart: Chart) -> Iterator[Markup]:
    if not chart.follow_ups:
        return
    y = sheet.take(LANE + 8)
    yield row_name("follow-ups", y + LANE / 2)
    due = sorted(chart.follow_ups.values(), key=lambda follow_up: follow_up.due_at)
    for follow_up in due:
        shape, kind = ("ring", "quiet") if follow_up.outcome == "due" else ("dot", "expected")
        yield mark(
            sheet.x(follow_up.due_at),
            y + LANE / 2,
            shape,
            kind,
            f"due {shown_at(follow_up.due_at)}: {follow_up.outcome}",
        )
    yield labels([(sheet.x(follow_up.due_at), follow_up.outcome) for follow_up in due], y + LANE + 10)
    yield text()
