"""`iop letter`: the page that a patient takes home, as text or as PDF."""

from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated

import typer

from deploy import work_list
from deploy.commands.asking import Where, asking
from deploy.commands.common import out, stderr
from deploy.commands.consent import aftercare
from deploy.commands.reads import Patient
from deploy.failure import CannotContinueError
from deploy.work_list import Owners
from shared.events import codes

HTML, PDF = "text/html", "application/pdf"
_TYPE = f"{codes.LOINC}|{codes.PLAN_OF_CARE_NOTE}"


@asking("system/DocumentReference.s system/Binary.r")
def letter(
    where: Where,
    patient: Patient,
    pdf: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the page to print into this file, instead of text.", dir_okay=False),
    ] = None,
) -> None:
    """Print what a patient takes home of their plan: whom to call, what is planned, how to join their meetings. It is a
    part of the patient's record, and to ask is a read of it."""
    content = where.ask(lambda owners: current(owners, patient, PDF if pdf else HTML))
    if pdf is None:
        for line in lines(content.decode()):
            out.print(line, markup=False)
        return
    try:
        pdf.write_bytes(content)
    except OSError as error:
        raise CannotContinueError(f"--pdf: {pdf} can't be written ({type(error).__name__})") from None
    stderr.print(f"{pdf} is a part of the patient's record: delete it once it is printed", markup=False)


async def current(owners: Owners, patient: str, content_type: str) -> bytes:
    """The newest letter that counts. Raises CannotContinueError: there is none."""
    name, client = aftercare(owners)
    asked = {"patient": patient, "type": _TYPE, "status": "current"}
    found = await work_list.pages(name, client, "DocumentReference", asked)
    if not found:
        raise CannotContinueError("this patient has no letter: there is one while the plan after a discharge stands")
    newest = max(found, key=lambda each: datetime.fromisoformat(each["date"]))
    attachments = [each["attachment"] for each in newest["content"]]
    url = next(each["url"] for each in attachments if each["contentType"] == content_type)
    binary = await work_list.resource(name, client, url, {"_format": "json"})
    return b64decode(binary["data"])


def lines(page: str) -> Iterator[str]:
    """The page as plain text: a blank line above each heading."""
    text = _Text()
    text.feed(page)
    text.close()
    return iter(text.lines)


class _Text(HTMLParser):
    """Headings and paragraphs, each a line; a link is its address, which stands in the paragraph as text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._is_shown = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("h1", "h2", "h3", "p"):
            self.lines += [""] * (tag in ("h2", "h3"))
            self.lines.append("")
            self._is_shown = True

    def handle_data(self, data: str) -> None:
        if self._is_shown:
            self.lines[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h1", "h2", "h3", "p"):
            self._is_shown = False
