"""The results, counted from Kafka and the databases, and compared with what is expected."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table

from deploy.demo.agenda import Promises
from deploy.demo.chart import Chart
from deploy.evidence import Record, sent_twice
from deploy.queries import Count
from shared.events.catalogue import DISCLOSURES, ESCALATIONS


@dataclass(frozen=True)
class Tally:
    """Numbers of one demo. `records` are all there are on the topics, each id once."""

    records: Sequence[Record]
    counts: Mapping[str, Count]
    lost: Sequence[str]
    repeated: int
    clashes: Sequence[str]
    """Ids that two different events share."""

    @property
    def events(self) -> Counter[str]:
        return Counter(each.event for each in self.records)

    @property
    def by_topic(self) -> Counter[str]:
        return Counter(each.topic for each in self.records)

    @property
    def disclosures(self) -> Counter[str]:
        """Results on the disclosures topic: made, withheld, refused, gave-up."""
        audits = [each.resources[0] for each in self.records if each.topic == DISCLOSURES]
        return Counter(each["subtype"][0]["code"] for each in audits)

    @property
    def unsent(self) -> int:
        return sum(count.unsent for count in self.counts.values())

    @property
    def parked(self) -> int:
        return sum(count.parked for count in self.counts.values())


def tally(records: Sequence[Record], counts: Mapping[str, Count], lost: Sequence[str]) -> Tally:
    """Each record once: delivery is at-least-once, so a process killed in between may have sent one again."""
    once: dict[str, Record] = {}
    clashes = []
    for record in records:
        known = once.setdefault(record.id, record)
        if (known.event, known.producer) != (record.event, record.producer):
            clashes.append(f"{known.event} of {known.producer} and {record.event} of {record.producer}")
    return Tally(tuple(once.values()), counts, lost, sent_twice(list(records)), clashes)


def verify(found: Tally, charts: Mapping[str, Chart], promises: Promises) -> None:
    """What must be true at the end, whatever the steps before have shown. Raises Broken."""
    expect = promises.expect
    expect(not found.lost, f"nothing is lost ({'; '.join(found.lost[:3])})")
    expect(not found.clashes, f"no two events share an id ({'; '.join(found.clashes[:3])})")
    expect(found.unsent == 0, f"every outbox is empty ({found.unsent} rows left)")
    expect(found.parked == 0, f"nothing is parked ({found.parked} events are)")
    expect(found.disclosures["withheld"] >= 2, "withheld disclosures are on the disclosures topic")
    expect(found.disclosures["made"] >= 3, "disclosures made are on the disclosures topic")
    quiet, unquiet, not_fit = charts["A"], charts["B"], charts["C"]
    expect(not quiet.escalations, "the quiet course raises nothing")
    expect(
        _endings(unquiet)
        == {
            "missed-session": "resolved",
            "projected-week-short": "retracted",
            "unexpected-positive-presumptive": "retracted",
            "miss-and-positive": "retracted",
            "collection-refused": "retracted",
            "referral-on-hold": "resolved",
        },
        "persons resolve the miss and the referral on hold; a make-up takes the short week back, and a corrected result"
        " the positive and the combination, a specimen given after all the refusal",
    )
    expect(not unquiet.short_weeks, "the make-up saves the week of the miss")
    expect(not_fit.declined_at is not None and not_fit.level == "2.7", "the third patient is declined with 2.7")
    sent = [step.event for each in unquiet.ordered.values() for step in each.steps]
    expect(sent == ["LaboratoryOrderPrepared", "LaboratoryOrderSent"], f"the laboratory takes the order ({sent})")
    corrected = [each for each in unquiet.results.values() if each.was]
    expect(len(corrected) == 1, "one drug test is corrected")
    expect(any(each.baseline for each in unquiet.results.values()), "the first specimen is the baseline")
    for chart in (quiet, unquiet):
        missed = sum(each.outcome == "missed" for each in chart.sessions.values())
        expect(missed == (chart is unquiet), "exactly the session without a check-in is missed")


def _endings(chart: Chart) -> dict[str, str]:
    return {each.reason: each.ended for each in chart.escalations.values()}


def shown(found: Tally, promises: Promises, pages: int, seconds: float) -> RenderableType:
    """The summary as tables."""
    topics = Table("topic", "events", title="on Kafka", title_justify="left")
    for name, count in sorted(found.by_topic.items()):
        topics.add_row(name, str(count))
    events = found.events
    facts = Table("counted from Kafka and the databases", "", show_header=True)
    for name, value in (
        ("decisions journalled", sum(count.decided for count in found.counts.values())),
        ("events emitted, by the journals", sum(count.emitted for count in found.counts.values())),
        ("disclosures recorded beside them", found.by_topic[DISCLOSURES]),
        ("events on Kafka", len(found.records)),
        ("events lost", len(found.lost)),
        ("events sent twice, processed once", found.repeated),
        ("rows left in outboxes", found.unsent),
        ("events parked", found.parked),
        ("escalations raised", events["EscalationRaised"]),
        ("escalations retracted", events["EscalationRetracted"]),
        ("escalations resolved", events["EscalationResolved"]),
        ("escalations on their topic in all", found.by_topic[ESCALATIONS]),
        ("pages that rang whoever is on call", pages),
        ("orders of drug tests that the laboratory took", events["LaboratoryOrderSent"]),
        ("disclosures made", found.disclosures["made"]),
        ("disclosures withheld", found.disclosures["withheld"]),
        ("expectations that held", len(promises.fulfilled)),
        ("seconds for the twelve weeks", f"{seconds:.0f}"),
    ):
        facts.add_row(name, str(value))
    return Group(topics, facts)
