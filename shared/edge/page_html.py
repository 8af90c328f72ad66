"""The page behind a link, as HTML without a script: what is asked, by when, and two buttons. It names no patient before
somebody has taken the escalation on."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from starlette.responses import Response

_STYLE = (
    "body{font:1.2rem sans-serif;margin:1.5rem;max-width:34rem}button,select{font:inherit;width:100%;padding:1rem;"
    "margin:.5rem 0}"
)


def headers(style: str, form_action: str) -> dict[str, str]:
    """Of a page with this style and nothing else beside its text: no script, nothing from elsewhere, no copy of it."""
    allowed = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{allowed}'; form-action {form_action};"
        " frame-ancestors 'none'; base-uri 'none'",
    }


HEADERS = headers(_STYLE, "'self'")


@dataclass(frozen=True)
class Shown:
    """What the page shows of an escalation."""

    tier: int
    category: str
    reason: str
    program: str
    acknowledge_by: datetime
    act_by: datetime
    zone: ZoneInfo

    @property
    def lines(self) -> tuple[str, ...]:
        return (
            f"Reason: {self.reason}",
            f"Program: {self.program}",
            f"Acknowledge by {self._local(self.acknowledge_by)}",
            f"Act by {self._local(self.act_by)}",
        )

    def _local(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M %Z}"


def page(title: str, lines: Sequence[str], form: str = "", status: int = 200) -> Response:
    """One page; `form` is HTML already, all else is text."""
    paragraphs = "".join(f"<p>{escape(each)}</p>" for each in lines)
    content = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>IOP Hub</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{paragraphs}{form}</body></html>\n"
    )
    return Response(content, status, HEADERS, "text/html; charset=utf-8")


def asked(shown: Shown, people: Sequence[str], *, declinable: bool, unnamed: bool = False) -> Response:
    """The escalation with its buttons; where several people share the channel, who of them it is. `unnamed`: somebody
    pressed the button and did not say so."""
    notice = ("Nobody has it yet: choose your name, then press the button again.",) if unnamed else ()
    form = f'<form method="post">{_names(people)}{_button("acknowledge", "I have it")}</form>'
    if declinable:
        form += f'<form method="post">{_button("decline", "I cannot: tell the deputy")}</form>'
    return page(f"T{shown.tier} {shown.category}", (*notice, *shown.lines), form, 422 if unnamed else 200)


def _button(action: str, text: str) -> str:
    return f'<button name="action" value="{action}">{text}</button>'


def _names(people: Sequence[str]) -> str:
    if len(people) == 1:
        return ""
    options = "".join(f"<option>{escape(each)}</option>" for each in people)
    return f'<select name="person" required><option value="">Who are you?</option>{options}</select>'
