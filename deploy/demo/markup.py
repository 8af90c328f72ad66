"""HTML and SVG as text, escaped everywhere: what comes from outside is never markup."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is markup already. Everything else is escaped when it is put into an element."""

    __slots__ = ()


def text(*parts: object) -> Markup:
    """Parts one after the other, escaped unless they are markup; None is nothing."""
    return Markup(
        "".join(each if isinstance(each, Markup) else escape(str(each)) for each in parts if each is not None)
    )


def element(name: str, *inside: object, **attributes: object) -> Markup:
    """`element("text", "T3", x=4, class_="tier", text_anchor="end")`; numbers are rounded, None is left out."""
    written_attributes = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written_attributes}>{text(*inside)}</{name}>")


def _plain(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def table(head: Iterable[object], rows: Iterable[Iterable[object]], caption: str) -> Markup:
    """A table a screen reader can follow."""
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *(element("th", each, scope="col") for each in head))),
        element("tbody", *body),
    )
