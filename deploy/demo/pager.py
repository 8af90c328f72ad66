"""Whoever is on call in the demo: a pager on loopback, and a telephone that opens the link of a page."""

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table

from deploy.demo.serving import Taking, serving
from deploy.paths import SETTINGS
from shared.platform import webhooks

PERSON = "on-call-clinician-1"
ROTA = f"""[program.demo.person.{PERSON}]
channel = "pager"

[[program.demo.on-call]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "00:00"
to = "00:00"
person = "{PERSON}"
"""
CHANNELS = """[program.demo.channel.pager]
form = "cloudevent"
url = "{url}"
secret_files = ["pager.secret"]
"""
SECRET_BYTES = 32
ANSWER_SECONDS_MOST = 10.0


@dataclass(frozen=True)
class Page:
    """As it was received; `genuine` where its signature says that the hub sent it."""

    body: bytes
    genuine: bool

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)["data"]
        return content


@dataclass
class Pager:
    """The pages in the order in which they came; `rows` say what became of one."""

    secret: str
    url: str = ""
    pages: list[Page] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)

    def note(self, step: str, result: str) -> None:
        self.rows.append((step, result))

    def receive(self, headers: dict[str, str], body: bytes) -> None:
        sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        expected = webhooks.headers(headers["webhook-id"], sent_at, body, [webhooks.secret(self.secret)])
        self.pages.append(Page(body, headers["webhook-signature"] == expected["webhook-signature"]))

    def settings(self, folder: Path, **more: str) -> Path:
        """A folder of settings: the hub's own, with a rota and this pager; and `more` files, by name without .toml."""
        folder.mkdir(parents=True, exist_ok=True)
        ours = {f"{name}.toml": content for name, content in more.items()}
        ours |= {"rota.toml": ROTA, "oncall.toml": CHANNELS.format(url=self.url), "pager.secret": self.secret}
        for each in SETTINGS.iterdir():
            if each.name not in ours and not (folder / each.name).exists():
                (folder / each.name).symlink_to(each)
        for name, content in ours.items():
            if (folder / name).is_symlink():  # of a demo before, into the settings that come with the hub
                (folder / name).unlink()
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(content)
        return folder


@contextmanager
def running() -> Iterator[Pager]:
    """A pager that takes every page, until the block ends."""
    pager = Pager(webhooks.PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode())

    class PagerHandler(Taking):
        def do_POST(self) -> None:
            pager.receive({name.lower(): value for name, value in self.headers.items()}, self.body())
            self.send_response(204)
            self.end_headers()

    with serving(PagerHandler) as address:
        pager.url = address
        yield pager


def table(rows: Sequence[tuple[str, str]]) -> Table:
    shown = Table("a page", "", title="on call", title_justify="left")
    for row in rows:
        shown.add_row(*row)
    return shown


@dataclass(frozen=True)
class Opened:
    """What a telephone shows of a link, and once "I have it" was pressed."""

    shown: str
    answered: str


async def i_have_it(link: str) -> Opened:
    """Open the link as a telephone does, and press the button."""
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MOST, trust_env=False) as telephone:
        shown = await telephone.get(link)
        answered = await telephone.post(link, data={"action": "acknowledge"})
    return Opened(shown.text, answered.text)
