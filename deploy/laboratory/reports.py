"""What was found in the specimen of an order, as ORU^R01: under its number and numbers of the laboratory's own."""

from collections.abc import Collection, Iterator
from datetime import datetime

from deploy.laboratory.messages import Segment, header, segment, stamp, written
from deploy.laboratory.orders import Order
from deploy.laboratory.panel import ANALYTES, VALIDITY, Analyte


def report(order: Order, collected_at: datetime, now: datetime, positive: Collection[str] = ()) -> bytes:
    """Of an order that counts as reported already: the first report of it is final, a later one corrects it.

    `positive` names analytes as they are called; all others are negative. Everything is below a valid specimen.
    """
    status = "F" if order.reports <= 1 else "C"
    return written(
        [
            header(order.head, "ORU^R01^ORU_R01", f"{order.filler}-{max(order.reports, 1)}", now),
            order.patient,
            segment("ORC", f1="RE", f2=order.number, f3=order.filler),
            segment(
                "OBR",
                f1="1",
                f2=order.number,
                f3=order.filler,
                f4=order.panel,
                f7=stamp(collected_at),
                f14=stamp(now),
                f22=stamp(now),
                f25=status,
            ),
            *_rows(positive, status, now),
            segment(
                "SPM",
                f1="1",
                f2=f"^S{order.filler}",
                f4="UR^Urine^HL70487",
                f17=stamp(collected_at),
                f18=stamp(now),
            ),
        ]
    )


def _rows(positive: Collection[str], status: str, now: datetime) -> Iterator[Segment]:
    for place, each in enumerate(ANALYTES, 1):
        yield _screened(place, each, any(map(each.is_called, positive)), status, now)
    for place, (code, title, figure, unit, usual) in enumerate(VALIDITY, len(ANALYTES) + 1):
        named = f"{code}^{title}^LN"
        yield segment(
            "OBX", f1=str(place), f2="NM", f3=named, f5=figure, f6=unit, f7=usual, f8="N", f11=status, f14=stamp(now)
        )


def _screened(place: int, screened: Analyte, is_positive: bool, status: str, now: datetime) -> Segment:
    return segment(
        "OBX",
        f1=str(place),
        f2="ST",
        f3=f"{screened.loinc}^{screened.title}^LN",
        f5="POSITIVE" if is_positive else "NEGATIVE",
        f6="ng/mL",
        f7=f"Cutoff {screened.cutoff}",
        f8="A" if is_positive else "N",
        f11=status,
        f14=stamp(now),
    )
