"""The rules of 7.5 as somebody reads them who has the papers before them and knows nothing of the hub's code.

A paper is a dict with `kind` (yes or no), `id`, `signed`, `names`, `classes`, `purposes`, `fields`, `begins`, `ends`,
`event` and `revoked`; of a no empty names, purposes and fields mean all. A partner is a dict with `identifier`, `kind`,
`purpose`, `fields` and `required`.
"""

from datetime import datetime
from typing import Any

Paper = dict[str, Any]
Partner = dict[str, Any]
TREATMENT, NOTES = {"TREAT", "HPAYMT", "HOPERAT"}, "counseling-notes"
AT_MOST = {
    "treating-provider": {"name", "phone", "area", "referral-state"},
    "alumni-group": {"name", "phone"},
    "recovery-residence": {"name", "phone", "area", "referral-state"},
    "peer-organization": {"name", "phone", "area", "referral-state"},
    "named-person": {"name", "phone"},
    "court-or-probation": {"attendance", "completion"},
}
"""Of each kind that is told anything by a consent (rules 1, 3, 4 and 9); of nobody else anything (rule 2)."""


def allowed_fields(papers: list[Paper], partner: Partner, now: datetime) -> set[str] | None:
    """The fields that this partner may be told now; None where it is told nothing at all."""
    if partner["kind"] not in AT_MOST:
        return None
    relevant = [paper for paper in papers if concerns(paper, partner)]
    yeses = [paper for paper in relevant if paper["kind"] == "yes"]
    noes = [paper for paper in relevant if paper["kind"] == "no" and not came_too_early(paper, yeses, partner)]
    living = [paper for paper in yeses if not paper["revoked"]]
    begun = [paper for paper in living if max(paper["signed"], paper["begins"] or paper["signed"]) <= now]
    refusals = [paper["signed"] for paper in noes if not paper["fields"]]
    takings_back = [paper["signed"] for paper in yeses if paper["revoked"]]
    # The last yes stands, unless something that says no was signed with it or after it.
    latest = max((paper["signed"] for paper in begun), default=None)
    if latest is None or any(when >= latest for when in (*refusals, *takings_back)):
        return None
    last = [paper for paper in begun if paper["signed"] == latest]
    if not all(is_in_order(paper, partner, now) for paper in last):
        return None
    permitted = set(partner["fields"]) & AT_MOST[partner["kind"]]
    for paper in last:
        permitted &= set(paper["fields"])
    for paper in noes:
        if paper["signed"] >= latest:
            permitted -= set(paper["fields"])
    return permitted if permitted and set(partner["required"]) <= permitted else None


def concerns(paper: Paper, partner: Partner) -> bool:
    """Whether it is about this partner and what the partner is told for."""
    if paper["kind"] == "no":
        of_partner = not paper["names"] or partner["identifier"] in paper["names"]
        return of_partner and (not paper["purposes"] or partner["purpose"] in paper["purposes"])
    if partner["purpose"] not in paper["purposes"] or paper["fields"] == [NOTES]:
        return False
    treats = partner["kind"] == "treating-provider" and set(paper["purposes"]) <= TREATMENT
    return partner["identifier"] in paper["names"] or (treats and partner["kind"] in paper["classes"])


def is_in_order(paper: Paper, partner: Partner, now: datetime) -> bool:
    """Whether such a paper permits anything to a partner of this kind."""
    if NOTES in paper["fields"] or (paper["ends"] and paper["ends"] <= now):
        return False
    if partner["kind"] == "court-or-probation":
        return is_for_the_court(paper)
    for_ever = partner["kind"] == "treating-provider" and set(paper["purposes"]) <= TREATMENT
    return bool(paper["ends"]) or for_ever


def is_for_the_court(paper: Paper) -> bool:
    return bool(
        len(paper["names"]) + len(paper["classes"]) == 1
        and len(paper["purposes"]) == 1
        and paper["event"]
        and paper["ends"]
    )


def came_too_early(no: Paper, yeses: list[Paper], partner: Partner) -> bool:
    """Whether it was signed while a paper bound the patient towards a court (42 CFR 2.35)."""
    return partner["kind"] == "court-or-probation" and any(
        not paper["revoked"] and is_for_the_court(paper) and paper["signed"] < no["signed"] < paper["ends"]
        for paper in yeses
    )
