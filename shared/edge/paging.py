"""How a search is answered page by page: in which order, how many, how many in all, and the cursor of `next`.

A cursor says where a page ended and of which search it is. It is encrypted, for a place in a search may be a patient's
id; with it is the form of a posted search, so that whoever follows `next` blindly, with GET, gets the next page too.
Only this service makes one, and it opens only for its own client, program and type.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Literal

import msgspec

from shared.edge.clients import Caller
from shared.edge.outcome import HttpRefusal, refuse
from shared.path.transaction.ordering import Order, Position
from shared.platform.keys import Keys

COUNT_DEFAULT = 50
COUNT_MOST = 500
WORK_LIST_MOST = 200
FORM_BYTES_MOST = 1_500
"""A longer form is not written into a cursor, which stands in an address: it is posted to `next` again."""
CURSOR = "_cursor"
PRESENTING = ("_format", "_pretty", "_summary")
"""Parameters about how an answer looks: no part of what is looked for."""
NAMES = frozenset({CURSOR, "_count", "_sort", "_total", *PRESENTING})
"""Every parameter that narrows nothing."""
_ORDERS: Mapping[str, Order] = {
    "date": Order("at"),
    "-date": Order("at", descending=True),
    "_lastUpdated": Order("updated_at"),
    "-_lastUpdated": Order("updated_at", descending=True),
}
_TASK_ORDERS: Mapping[str, Order] = {
    **_ORDERS,
    **{name: Order("due") for name in ("period", "period,-priority")},
    **{name: Order("due", descending=True) for name in ("-period", "-period,priority")},
    "authored-on": Order("at"),
    "-authored-on": Order("at", descending=True),
    "modified": Order("updated_at"),
    "-modified": Order("updated_at", descending=True),
}
"""Of work lists: by when the Tasks are due, of one time the more urgent first."""
_NUMBER = re.compile(r"[0-9]{1,9}")
Parameter = tuple[str, str]
Total = Literal["none", "estimate", "accurate"]


class Asked(msgspec.Struct, frozen=True):
    """The parameters of a search: those of its address, and those of the form of a posted one."""

    address: Sequence[Parameter]
    form: Sequence[Parameter] = ()


class Paging(msgspec.Struct, frozen=True):
    """How many resources a page has at most (0: only the total is asked), in which order, and which total it shows."""

    count: int
    order: Order
    total: Total


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Behind which resource a search goes on, the total that its first page showed, and the form that was posted."""

    search: str
    after: Position
    total: int | None
    form: list[Parameter]


def read(parameters: Sequence[Parameter], type_: str) -> Paging:
    """Raises HttpRefusal 400."""
    count = min(_count(_once(parameters, "_count", str(COUNT_DEFAULT))), count_most(type_))
    if _once(parameters, "_summary", "false") == "count" or count == 0:
        return Paging(0, Order(), "accurate")
    return Paging(count, _order(parameters, type_), _total(_once(parameters, "_total", "none")))


def count_most(type_: str) -> int:
    """How many resources a page has at most."""
    return WORK_LIST_MOST if type_ == "Task" else COUNT_MOST


def as_carried_out(address: Sequence[Parameter], type_: str) -> list[Parameter]:
    """The parameters that links show: a count above the most is the most."""
    most = count_most(type_)
    return [(name, str(min(int(value), most)) if name == "_count" else value) for name, value in address]


def resumed(keys: Keys, asked: Asked, type_: str, caller: Caller) -> tuple[list[Parameter], Cursor | None]:
    """All parameters of the search, and its cursor where this is no first page. Raises HttpRefusal 400."""
    parameters = [*asked.form, *asked.address]
    text = _once(parameters, CURSOR, "")
    if not text:
        return parameters, None
    cursor = _opened(keys, text, _purpose(type_, caller))
    if not asked.form:
        parameters = [*cursor.form, *asked.address]
    if cursor.search != _search(parameters):
        raise _not_of_this_search()
    return parameters, cursor


def following(
    keys: Keys,
    asked: Asked,
    parameters: Sequence[Parameter],
    type_: str,
    caller: Caller,
    ended: Position,
    total: int | None,
) -> str:
    """The cursor of the page behind the one that ends here."""
    form = list(parameters)[: len(parameters) - len(asked.address)]
    if len(msgspec.json.encode(form)) > FORM_BYTES_MOST:
        form = []
    cursor = Cursor(_search(parameters), ended, total, form)
    secret = keys.encrypt(msgspec.json.encode(cursor), _purpose(type_, caller))
    return urlsafe_b64encode(secret).decode().rstrip("=")


def _opened(keys: Keys, text: str, purpose: bytes) -> Cursor:
    try:
        secret = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(keys.decrypt(secret, purpose), type=Cursor)
    except (ValueError, msgspec.DecodeError):
        raise _not_of_this_search() from None


def _purpose(type_: str, caller: Caller) -> bytes:
    return msgspec.json.encode(["cursor", caller.program, caller.name, type_])


def _search(parameters: Sequence[Parameter]) -> str:
    """A digest of what narrows and orders a search, whatever its sequence."""
    narrowing = sorted({each for each in parameters if each[0] not in NAMES or each[0] == "_sort"})
    return sha256(msgspec.json.encode(narrowing)).hexdigest()


def _once(parameters: Sequence[Parameter], name: str, default: str) -> str:
    values = {value for each, value in parameters if each == name}
    if len(values) > 1:
        raise refuse(400, "invalid", "", f"{name} must be given once.")
    return values.pop() if values else default


def _count(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise refuse(400, "invalid", "", "_count must be a whole number, 0 or more.")
    return int(text)


def _order(parameters: Sequence[Parameter], type_: str) -> Order:
    """As `_sort` asks; without it a search by `_lastUpdated` alone goes by that time, every other by clinical time."""
    names = {name for name, _ in parameters}
    sort = _once(parameters, "_sort", "_lastUpdated" if "_lastUpdated" in names and "date" not in names else "date")
    orders = _TASK_ORDERS if type_ == "Task" else _ORDERS
    if sort not in orders:
        raise refuse(400, "not-supported", "", f"_sort must be one of: {'; '.join(orders)}.")
    return orders[sort]


def _total(text: str) -> Total:
    match text:
        case "none" | "estimate" | "accurate":
            return text
        case _:
            raise refuse(400, "invalid", "", "_total must be none, estimate or accurate.")


def _not_of_this_search() -> HttpRefusal:
    return refuse(
        400,
        "invalid",
        "",
        "_cursor must be that of a next link, unchanged, of the same search and client; a long form is posted to it"
        " again.",
    )
