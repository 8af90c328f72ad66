"""The timeline's rows of consents: one for each partner, with what was sent or withheld under them."""

from collections.abc import Iterator
from datetime import datetime

from deploy.demo.chart import Chart, Referral
from deploy.demo.drawing import LANE, Sheet, bar, labels, mark, row_name, shown_at
from deploy.demo.markup import Markup

REFERRAL_SHAPE = {"ReferralSent": ("triangle", "sent"), "ReferralWithheld": ("barred", "withheld")}


def consents(sheet: Sheet, chart: Chart) -> Iterator[Markup]:
    """For each partner: while a consent names it, and the outcome of each referral to it."""
    named = [partner for consent in chart.consents.values() for partner in consent.recipients]
    partners = list(dict.fromkeys([*named, *(referral.partner for referral in chart.referrals.values())]))
    for partner in partners:
        y = sheet.take(LANE + 8)
        yield row_name(partner, y + LANE / 2, "row small")
        for consent in chart.consents.values():
            if partner in consent.recipients:
                end = consent.revoked_at or sheet.end
                tip = f"consent from {shown_at(consent.given_at)}" + (
                    f" until revoked {shown_at(end)}" if consent.revoked_at else ""
                )
                kind = "consent revoked" if consent.revoked_at else "consent"
                yield bar(sheet.x(consent.given_at), sheet.x(end), y + 6, LANE - 12, kind, tip)
        yield from _disclosures(sheet, chart, partner, y)


def _disclosures(sheet: Sheet, chart: Chart, partner: str, y: float) -> Iterator[Markup]:
    moments = [
        (consent.revoked_at, "cross", "revoked", "consent revoked")
        for consent in chart.consents.values()
        if partner in consent.recipients and consent.revoked_at
    ]
    referrals = [referral for referral in chart.referrals.values() if referral.partner == partner]
    moments += [outcome for referral in referrals for outcome in _outcomes(referral)]
    moments.sort()
    for at, shape, label, tip in moments:
        yield mark(sheet.x(at), y + LANE / 2, shape, label, f"{tip}, {shown_at(at)}")
    yield labels([(sheet.x(at), label) for at, _, label, _ in moments], y + LANE + 10)


def _outcomes(referral: Referral) -> Iterator[tuple[datetime, str, str, str]]:
    for step in referral.steps:
        if step.event in REFERRAL_SHAPE:
            shape, label = REFERRAL_SHAPE[step.event]
            yield step.at, shape, label, f"referral {label}" + (f": {step.summary}" if step.summary else "")
