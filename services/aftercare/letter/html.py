"""A letter as a page of HTML, with all its meetings: text and a style, no script, nothing from elsewhere."""

from html import escape
from typing import Final

from services.aftercare.letter.composing import Letter, Line, Section
from shared.edge import page_html

_STYLE = (
    "body{font:1.1rem sans-serif;margin:1.5rem;max-width:42rem}h1{margin:0}h2{font-size:1.2rem;margin:1rem 0 .3rem}"
    "h3{font-size:1.1rem;margin:.5rem 0 0}p{margin:.2rem 0;overflow-wrap:anywhere}"
    "@media print{body{font-size:.8rem;margin:0}}"
)
HEADERS: Final = page_html.headers(_STYLE, "'none'")


def written(letter: Letter) -> bytes:
    """The page, UTF-8."""
    texts = letter.texts
    sections = "".join(map(_section, letter.shown(letter.meetings)))
    return (
        f'<!doctype html><html lang="{letter.language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(texts.title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(texts.title)}</h1>{_paragraph(Line(texts.not_yours))}"
        f"{sections}</body></html>\n"
    ).encode()


def _section(section: Section) -> str:
    return f"<h2>{escape(section.heading)}</h2>{''.join(map(_paragraph, section.lines))}"


def _paragraph(line: Line) -> str:
    if line.begins:
        return f"<h3>{escape(line.text)}</h3>"
    if not line.link:
        return f"<p>{escape(line.text)}</p>"
    link = escape(line.link)
    return f'<p>{escape(line.text)} <a href="{link}" rel="noreferrer">{link}</a></p>'
