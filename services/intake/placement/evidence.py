"""Evidence: each answer with its source, and which of them stand. It stands until it is withdrawn (domain 2.7).

A source is the resource that holds the answer: another version of it replaces what it said before. A later "no" of
another source removes no "yes" within its window.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from typing import NamedTuple

import msgspec

from services.intake.messages import RecordAssessment, RecordConditions, ReportedFinding
from services.intake.placement.sources import key_of, source_key, stored_source
from services.intake.table import JOINED, SAFETY_CODES, band, window_of

SAFETY_PIECES_MOST = 8
"""Pieces of one safety instrument that a state holds."""
PIECES_MOST = 3
"""Pieces of any other code."""
REFERENCES_MOST = 40
"""With more pieces in a state only the newest of each code and band is known by its reference, the others by key."""
ALL_PIECES_MOST = 100
"""Of all codes together: enough for a yes to every question that can be asked."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """An answer: minute (since 1970), points (or 1 yes, 0 no), and its source as it is stored; an empty one nobody
    remembers. `ended`: by which act (`act_of`) a clinician found it mistaken, or reassessed it: known, but it decides
    nothing. 0 while it stands."""

    minute: int
    value: int
    source: str
    ended: int = 0

    @property
    def key(self) -> str:
        """Of its source: two pieces of one source are told by it, whichever release stored them."""
        return key_of(self.source)

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.minute * 60, UTC)


Evidence = Mapping[str, tuple[Piece, ...]]
"""Code to its pieces, the newest first."""


class StandingAnswer(NamedTuple):
    """What a code's pieces say now, and the piece that says so. `old`: older than its window, it decides nothing that
    would lower a level."""

    value: int
    old: bool
    to_confirm: bool
    piece: Piece | None = None


def merged(evidence: Evidence, findings: Iterable[ReportedFinding], replaced: Collection[str] = ()) -> Evidence:
    """The evidence after these findings. Of a `replaced` source (Type/id) nothing stays but what is stated here; of
    any other, what it says now about a code replaces what it said about it before."""
    stated = _stated(findings)
    gone = {source_key(each) for each in replaced if each}
    by_code = {
        code: [each for each in pieces if each.key not in gone and not _is_restated(each, stated.get(code, ()))]
        for code, pieces in evidence.items()
    }
    for code, pieces in stated.items():
        known = evidence.get(code, ())
        by_code.setdefault(code, []).extend(_as_known(each, known) for each in pieces)
    left = _limited({code: pieces for code, found in by_code.items() if (pieces := _worth_storing(code, found))})
    return left if sum(map(len, left.values())) <= REFERENCES_MOST else _by_key(left)


def _stated(findings: Iterable[ReportedFinding]) -> dict[str, tuple[Piece, ...]]:
    """By code one piece of each source; where a source answers twice, the greater one."""
    by_source: dict[tuple[str, str], Piece] = {}
    for finding in findings:
        piece = _piece(finding)
        known = by_source.get((finding.code, piece.source))
        if known is None or (known.value, known.minute) < (piece.value, piece.minute):
            by_source[finding.code, piece.source] = piece
    stated: dict[str, tuple[Piece, ...]] = {}
    for (code, _), piece in by_source.items():
        stated[code] = (*stated.get(code, ()), piece)
    return stated


def _piece(finding: ReportedFinding) -> Piece:
    return Piece(int(finding.at.timestamp()) // 60, finding.value, stored_source(finding.evidence))


def _is_restated(known: Piece, stated: Sequence[Piece]) -> bool:
    """By its own source; or, where nobody remembers the source, by an answer of the same minute."""
    return any(each.key == known.key or (not known.key and each.minute == known.minute) for each in stated)


def _as_known(piece: Piece, known: Sequence[Piece]) -> Piece:
    """The same answer again stays ended, if a clinician ended it, and by the same act."""
    same = (each for each in known if (each.minute, each.value, each.key) == (piece.minute, piece.value, piece.key))
    by = next((each.ended for each in same if each.ended), 0)
    return msgspec.structs.replace(piece, ended=by) if by else piece


def _worth_storing(code: str, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The newest first. An answer below every bound is left out where no rule asks for it: a "no" of a fact is stored
    where it is asked for, or beside a "yes" that it may outlast."""
    window, ordered = window_of(code), list(pieces)
    if len(ordered) > 1:
        ordered.sort(key=lambda each: (each.minute, each.value, each.source), reverse=True)
    if window.answer != "highest" or code in JOINED:
        return tuple(ordered)
    above = [each for each in ordered if band(code, each.value)]
    return tuple(above if window.after == "ends" or not above else ordered)


def _limited(evidence: Evidence) -> Evidence:
    """Within the limits of a state, whatever the order of arrival: of each code and band the newest stays longest."""
    if _fits(evidence):
        return evidence
    ranked = sorted((each for code in evidence for each in _ranked(code, evidence[code])), key=lambda each: each.order)
    taken: dict[str, int] = {}
    left: dict[str, list[Piece]] = {}
    for each in ranked[:ALL_PIECES_MOST]:
        group, most = _group(each.code)
        if taken.get(group, 0) < most:
            taken[group] = taken.get(group, 0) + 1
            left.setdefault(each.code, []).append(each.piece)
    return {code: tuple(each for each in evidence[code] if each in left[code]) for code in sorted(left)}


def _by_key(evidence: Evidence) -> Evidence:
    return {code: tuple(_named(each) for each in _ranked(code, pieces)) for code, pieces in evidence.items()}


def _named(ranked: "_Ranked") -> Piece:
    newest, piece = ranked.order[0] == 0, ranked.piece
    return piece if newest or piece.source == piece.key else msgspec.structs.replace(piece, source=piece.key)


def _fits(evidence: Evidence) -> bool:
    held: dict[str, int] = {}
    for code, pieces in evidence.items():
        group, most = _group(code)
        held[group] = held.get(group, 0) + len(pieces)
        if held[group] > most:
            return False
    return sum(held.values()) <= ALL_PIECES_MOST


class _Ranked(NamedTuple):
    order: tuple[int, bool, bool, int, str, int]
    code: str
    piece: Piece


def _ranked(code: str, pieces: Sequence[Piece]) -> list[_Ranked]:
    """Each with its place among those of its band, newest first: first places go before second ones, and in the same
    place what stands before what was ended, safety before the rest, the graver before the milder."""
    seen: dict[tuple[bool, int], int] = {}
    ranked = []
    for place, piece in enumerate(pieces):
        of_band = (piece.ended != 0, band(code, piece.value))
        rank = seen[of_band] = seen.get(of_band, -1) + 1
        ranked.append(_Ranked((rank, of_band[0], code not in SAFETY_CODES, -of_band[1], code, place), code, piece))
    return ranked


def _group(code: str) -> tuple[str, int]:
    """The instrument that limits its pieces together, and how many."""
    instrument = window_of(code).instrument
    return instrument or code, SAFETY_PIECES_MOST if instrument or code in SAFETY_CODES else PIECES_MOST


def new_findings(before: Evidence, after: Evidence, findings: Sequence[ReportedFinding]) -> tuple[ReportedFinding, ...]:
    """Those that brought a piece not known before: an EHR often sends all of them again, and older ones later."""
    return tuple(each for each in findings if _is_new(each, before, after))


def _is_new(finding: ReportedFinding, before: Evidence, after: Evidence) -> bool:
    piece = _piece(finding)
    return piece in after.get(finding.code, ()) and all(
        (each.minute, each.value) != (piece.minute, piece.value) or each.key not in ("", piece.key)
        for each in before.get(finding.code, ())
    )


def act_of(escalation_id: str) -> int:
    """How the pieces are marked that a clinician ended when they answered this escalation: 16 bits, for there may be a
    hundred. Of two acts that share a mark, the one that is undone brings back what the other ended: never less."""
    return 2 + int.from_bytes(blake2s(escalation_id.encode(), digest_size=2).digest())


def ended(evidence: Evidence, codes: Collection[str], act: int) -> Evidence:
    """After a clinician ended what stands of these codes: it was mistaken, or a newer screen shows less. What was ended
    before stays ended by that act."""
    return _marked(evidence, codes, 0, act)


def standing_again(evidence: Evidence, codes: Collection[str], act: int) -> Evidence:
    """After this act is undone: what it ended stands, unless its source has said otherwise since."""
    return _marked(evidence, codes, act, 0)


def _marked(evidence: Evidence, codes: Collection[str], before: int, after: int) -> Evidence:
    return {
        code: tuple(msgspec.structs.replace(each, ended=after) if each.ended == before else each for each in pieces)
        if code in codes
        else pieces
        for code, pieces in evidence.items()
    }


def pieces_of(evidence: Evidence, codes: Collection[str]) -> tuple[str, ...]:
    """A short name of each answer about these codes, whether it stands or not."""
    named = (f"{code} {each.minute} {each.value} {each.key}" for code in codes for each in evidence.get(code, ()))
    return tuple(sorted(source_key(each) for each in named))


def standing_sources(evidence: Evidence, codes: Collection[str]) -> frozenset[str]:
    """The keys of the sources whose answers about these codes stand."""
    return frozenset(each.key for code in codes for each in evidence.get(code, ()) if not each.ended)


def lasting(evidence: Evidence, at: datetime) -> Evidence:
    """What a later placement still needs to know: what speaks on within its window, or for ever."""
    left = {
        code: tuple(each for each in pieces if _within(each, window_of(code).days, at))
        for code, pieces in evidence.items()
    }
    return {code: pieces for code, pieces in left.items() if pieces}


def _within(piece: Piece, days: int | None, now: datetime) -> bool:
    return days is None or piece.at >= now - timedelta(days=days)


def standing(code: str, pieces: Sequence[Piece], now: datetime) -> StandingAnswer | None:
    """What these pieces, newest first, say now: the gravest within the window; else the newest, as old, or nothing."""
    window, stand = window_of(code), [each for each in pieces if not each.ended]
    current = [each for each in stand if _within(each, window.days, now)]
    among = current or ([] if window.after == "ends" else stand[:1])
    if not among:
        return None
    match window.answer:
        case "newest":
            decides = among[0]
        case "lowest":
            decides = min(among, key=lambda each: (each.value, -each.minute))
        case "highest":
            decides = max(among, key=lambda each: (each.value, each.minute))
    to_confirm = window.confirm_days is not None and not _within(decides, window.confirm_days, now)
    return StandingAnswer(decides.value, not current, to_confirm, decides)


def sources(command: RecordAssessment | RecordConditions) -> frozenset[str]:
    """Every resource (Type/id) that says now what it says, also where that is nothing any more."""
    return frozenset((*command.sources, *(each.evidence for each in command.findings)))
