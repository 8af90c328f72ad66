"""`iop letter`: a patient's letter is found, and printed as text or written as one page of PDF, over HTTP alone."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from deploy.commands.letter import HTML, PDF, current, lines
from deploy.failure import CannotContinueError
from deploy.work_list import Owners
from services.aftercare.letter import html
from services.aftercare.letter.composing import composed
from services.aftercare.letter_texts import LANGUAGES
from tests.aftercare.letters import LINK, NOTES, known, meeting, pages
from tests.aftercare.running import admission, discharge, identified
from tests.deploy import in_process
from tests.deploy.aftercaring import Reachable, aftercare_alone, issuer, partner, reachable

__all__ = ["aftercare_alone", "issuer", "partner", "reachable"]


@pytest.fixture
async def owners(reachable: Reachable) -> AsyncIterator[Owners]:
    headers = {"Authorization": f"Bearer {reachable.token_file.read_text()}"}
    async with httpx.AsyncClient(base_url=f"{reachable.url}/", headers=headers, trust_env=False) as client:
        yield {"aftercare": client}


async def test_the_letter_is_printed_or_written_to_be_printed(
    reachable: Reachable, owners: Owners, tmp_path: Path
) -> None:
    here = reachable.service
    await identified(here)
    await here.learn(admission(here))
    with pytest.raises(CannotContinueError, match="this patient has no letter"):
        await current(owners, here.patient, HTML)
    await discharge(here)
    printed = list(lines((await current(owners, here.patient, HTML)).decode()))
    assert printed[0] == "For you" and "If a life is in danger, call 911." in printed
    assert not any("font" in each or here.patient in each for each in printed)
    assert pages(await current(owners, here.patient, PDF)) == 1
    file = tmp_path / "for-you.pdf"
    written = await reachable.iop("letter", here.patient, "--pdf", str(file))
    assert (written.returncode, written.stdout) == (0, "") and "delete it once it is printed" in written.stderr
    assert pages(file.read_bytes()) == 1


def test_as_text_a_name_is_read_as_it_is_and_a_link_in_full() -> None:
    whole = composed(known(meeting(name="<Tom & Jerry's>")), "en", LANGUAGES["en"])
    printed = list(lines(html.written(whole).decode()))
    assert "Monday, Wednesday, 6:30 PM: <Tom & Jerry's>" in printed
    assert f"Online: {LINK}" in printed and f"To join: {NOTES}" in printed
    assert printed[printed.index("Meetings you can go to") - 1] == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(("Sam Synthetic",), "must be the hub's id of a patient"), ((str(uuid4()), "--pdf", "/"), "is a directory")],
)
def test_what_is_not_understood_is_refused_before_anybody_is_asked(arguments: tuple[str, ...], text: str) -> None:
    done = in_process.iop("letter", *arguments)
    assert (done.returncode, done.stdout) == (2, "") and text in done.stderr
