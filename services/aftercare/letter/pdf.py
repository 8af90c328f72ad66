"""A letter as one page of PDF (US Letter): as many of its meetings as have room, and how many more there are.

The font is the one that comes with reportlab; it has the letters of Western Europe. A letter of another alphabet is
shown as ?, and the page says so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, NamedTuple
from unicodedata import combining, normalize

from services.aftercare.letter.composing import Letter, Line, Listed, Section

_WIDTH, _HEIGHT, _MARGIN = 612.0, 792.0, 43.0
"""Points, 1/72 inch."""
ROWS_MOST = 8
"""Of one meeting: one that takes more leaves no room for others."""
_PLAIN, _BOLD = "Vera", "VeraBd"
UNKNOWN = "?"


class Style(NamedTuple):
    """`leading` is the height of a row, `above` the space above the first of them; points."""

    font: str
    size: float
    leading: float
    above: float


_TITLE, _NOTICE = Style(_BOLD, 18, 22, 0), Style(_PLAIN, 9, 11.5, 0)
_HEADING, _MEETING, _TEXT = Style(_BOLD, 10.5, 13, 6), Style(_BOLD, 9, 11.5, 3), Style(_PLAIN, 9, 11.5, 1)


def written(letter: Letter) -> bytes:
    """The page. The same letter is the same bytes. It takes some 30 ms of the processor, so it is not for the loop."""
    page = _Page()
    chosen: list[Listed] = []
    for meeting in letter.meetings:
        if page.rows(meeting.lines) <= ROWS_MOST and page.has_room(letter.shown([*chosen, meeting]), letter):
            chosen.append(meeting)
    return page.drawn(letter.shown(chosen), letter)


@dataclass
class _Page:
    """Fonts, and each text of this page as it was broken into rows."""

    _fonts: dict[str, Any] = field(default_factory=lambda: _fonts())
    _broken: dict[tuple[str, Style], list[str]] = field(default_factory=dict)
    _lacks: bool = False
    """Whether something on it can't be printed."""

    def rows(self, lines: Iterable[Line]) -> int:
        return sum(len(self._rows(*_styled_line(each))) for each in lines)

    def has_room(self, sections: Iterable[Section], letter: Letter) -> bool:
        styled = [*_styled(sections, letter), (letter.texts.unprintable, _TEXT)]
        height = sum(style.above + style.leading * len(self._rows(text, style)) for text, style in styled)
        return height <= _HEIGHT - 2 * _MARGIN

    def drawn(self, sections: Iterable[Section], letter: Letter) -> bytes:
        from reportlab.pdfgen.canvas import Canvas

        self._lacks = False
        self._broken.clear()
        opened = BytesIO()
        canvas = Canvas(opened, (_WIDTH, _HEIGHT), invariant=1, lang=letter.language)
        canvas.setTitle(letter.texts.title)
        canvas.setAuthor("")
        height = self._draw(canvas, _styled(sections, letter), _HEIGHT - _MARGIN)
        if self._lacks:
            self._draw(canvas, [(letter.texts.unprintable, _TEXT)], height)
        canvas.showPage()
        canvas.save()
        return opened.getvalue()

    def _draw(self, canvas: Any, styled: Iterable[tuple[str, Style]], height: float) -> float:
        """From this height on downwards; where it ends."""
        for text, style in styled:
            height -= style.above
            canvas.setFont(style.font, style.size)
            for row in self._rows(text, style):
                height -= style.leading
                canvas.drawString(_MARGIN, height, row)
        return height

    def _rows(self, text: str, style: Style) -> list[str]:
        known = self._broken.get((text, style))
        if known is None:
            words = self._printable(text, style.font).split()
            known = self._broken[text, style] = list(self._broken_rows(words, style))
        return known

    def _printable(self, text: str, font: str) -> str:
        """Letters with marks that the font lacks without them, and `UNKNOWN` for all else that it lacks."""
        known = self._fonts[font].face.charToGlyph
        plain = "".join(each if ord(each) in known else _without_marks(each) for each in text)
        printable = "".join(each if ord(each) in known or each.isspace() else UNKNOWN for each in plain)
        self._lacks = self._lacks or printable != plain
        return printable

    def _broken_rows(self, words: Iterable[str], style: Style) -> Iterator[str]:
        row = ""
        for each in words:
            joined = f"{row} {each}" if row else each
            if self._fits(joined, style):
                row = joined
                continue
            if row:
                yield row
            row = each
            while not self._fits(row, style):
                cut = next(most for most in range(len(row) - 1, 0, -1) if self._fits(row[:most], style))
                yield row[:cut]
                row = row[cut:]
        yield row

    def _fits(self, row: str, style: Style) -> bool:
        width: float = self._fonts[style.font].stringWidth(row, style.size)
        return width <= _WIDTH - 2 * _MARGIN


def _fonts() -> dict[str, Any]:
    """Loaded with the first letter: a quarter of a second, which a service that prints none need not take."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name in (_PLAIN, _BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    return {name: pdfmetrics.getFont(name) for name in (_PLAIN, _BOLD)}


def _styled(sections: Iterable[Section], letter: Letter) -> list[tuple[str, Style]]:
    texts = [(letter.texts.title, _TITLE), (letter.texts.not_yours, _NOTICE)]
    for section in sections:
        texts.append((section.heading, _HEADING))
        texts += map(_styled_line, section.lines)
    return texts


def _styled_line(line: Line) -> tuple[str, Style]:
    text = f"{line.text} {line.link}" if line.link else line.text
    return text, _MEETING if line.begins else _TEXT


def _without_marks(letter: str) -> str:
    return "".join(each for each in normalize("NFKD", letter) if not combining(each))
