"""OUL^R22 in the order of ORU^R01. Pure.

Oriented by specimen, a message has each SPM ahead of its orders, and between them rows of the specimen itself; oriented
by order, an SPM follows the rows of its order. A place in a message counts rows, and their order stays.
"""

from collections.abc import Iterator, Sequence

from services.testing.hl7.fields import Segment
from services.testing.hl7.header import SEQUENCE_ERROR, Fault, Nak


def by_order(segments: Sequence[Segment]) -> list[Segment]:
    """Each order with its specimen behind it, the first one of a specimen with the specimen's own rows.

    Raises Nak for a specimen without any order: nobody would read it.
    """
    groups = list(beginning_with(("SPM", "PID"), segments))
    return [segment for group in groups for segment in _by_order(group)]


def _by_order(group: Sequence[Segment]) -> Iterator[Segment]:
    if group[0][0] != "SPM":
        yield from group
        return
    ahead, *orders = beginning_with(("OBR",), group)
    if not orders:
        raise Nak("AE", Fault("OBR", SEQUENCE_ERROR))
    specimen, of_itself = ahead[0], ahead[1:]
    for order in orders:
        yield order[0]
        yield from of_itself
        yield from order[1:]
        yield specimen
        of_itself = []


def beginning_with(names: Sequence[str], segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """The segments in groups: the first as they begin, each other with a segment of these names."""
    group: list[Segment] = []
    for segment in segments:
        if segment[0] in names and group:
            yield group
            group = []
        group.append(segment)
    if group:
        yield group
