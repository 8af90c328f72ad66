"""Where the recount and the hub differ, for a person: patient, session, what each has, and why the hub decided so."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from tests.year.observed import Patient
from tests.year.recount import MINUTE, Counted, Reason


class Difference(msgspec.Struct, frozen=True):
    """`about` is the id by which `iop why` explains what the hub says; "" where it has nothing."""

    patient: int
    what: str
    recounted: str
    hub: str
    about: str = ""

    def __str__(self) -> str:
        return f"patient {self.patient}, {self.what}: the recount has {self.recounted}; the hub has {self.hub}"


def differences(counted: Counted, hub: Patient, until: datetime) -> Iterator[Difference]:
    """All of one patient, up to the end of the log."""
    yield from _refusals(counted)
    yield from _sessions(counted, hub, until)
    yield from _weeks(counted, hub)
    yield from _reasons(counted, hub)


def _refusals(counted: Counted) -> Iterator[Difference]:
    for line in counted.wrongly_refused:
        what, refused = f"{line['did']} of {line['start']:%F %H:%M}", line["refused"]
        yield Difference(
            counted.number, what, "accepted" if refused else "refused", "refused" if refused else "accepted"
        )


def _sessions(counted: Counted, hub: Patient, until: datetime) -> Iterator[Difference]:
    seen = list(hub.sessions.values())
    # Of two at one time one was ended when the patient left its group.
    for visit in sorted(counted.visits, key=lambda each: (each.mark == "ended", not each.missed_at)):
        here = [each for each in seen if (each.start, each.kind) == (visit.start, visit.kind)]
        known = min(
            here, key=lambda each: (each.status, each.missed_at) != (visit.status, visit.missed_at), default=None
        )
        seen = [each for each in seen if each is not known]
        what = f"{visit.kind} {visit.start:%F %H:%M}"
        if known is None and visit.mark == "ended":
            continue  # the stay ended before it would have been booked
        if known is None:
            yield Difference(counted.number, what, visit.status, "no such session")
            continue
        ours = _shown(visit.status, visit.minutes(), visit.missed_at, counted.shortfall(visit))
        # What one Encounter adds is emitted with it: the others' lengths are not emitted anew when it is corrected.
        fewer = visit.minutes() - known.minutes
        minutes = visit.minutes() if 0 < fewer <= visit.shared / MINUTE else known.minutes
        theirs = _shown(known.status, minutes, known.missed_at, known.shortfall)
        if ours != theirs:
            yield Difference(counted.number, what, ours, theirs, known.id)
    for known in seen:
        if known.start < until and known.status != "cancelled":
            yield Difference(
                counted.number, f"{known.kind} {known.start:%F %H:%M}", "no such session", known.status, known.id
            )


def _shown(status: str, minutes: int, missed_at: list[datetime], shortfall: str) -> str:
    short = f", {shortfall}" if shortfall else ""
    missed = f", missed at {', '.join(f'{each:%F %H:%M}' for each in missed_at)}" if missed_at else ""
    return f"{status}, {minutes} min{short}{missed}"


def _weeks(counted: Counted, hub: Patient) -> Iterator[Difference]:
    ours = {each.start: each for each in counted.weeks}
    for start in sorted({*ours, *hub.weeks}):
        finding, minutes, about = hub.weeks.get(start, ("", None, ""))
        week = ours.get(start)
        expected = ("", None) if week is None or not week.finding else (week.finding, week.minutes)
        stands = (finding, minutes if finding else None)
        if expected != stands:
            yield Difference(counted.number, f"week of {start:%F}", str(expected), str(stands), about)


def _reasons(counted: Counted, hub: Patient) -> Iterator[Difference]:
    """The first night on which they differ: the nights after it differ for the same reason. Of what began so long
    before that it is no longer remembered, one may name what the other does not."""
    for at, reasons in counted.reasons.items():
        since = at - timedelta(days=counted.numbers["correction_days"] + counted.numbers["long_window_days"])
        ours = {_since(each, since) for each in reasons}
        theirs = {_since(each, since): about for each, about in hub.reasons(at).items()}
        if ours != set(theirs):
            only_ours, only_theirs = ours - set(theirs), set(theirs) - ours
            about = next((theirs[each] for each in only_theirs), "")
            what = f"asked of persons on {at:%F %H:%M}"
            yield Difference(counted.number, what, _listed(only_ours), _listed(only_theirs), about)
            return


def _since(reason: Reason, since: datetime) -> Reason:
    what, starts = reason
    return what, tuple(each for each in starts if each >= since)


def _listed(reasons: set[Reason]) -> str:
    lines = (f"{reason} of {', '.join(f'{each:%m-%d %H:%M}' for each in starts)}" for reason, starts in sorted(reasons))
    return "; ".join(lines) or "nothing beyond it"
