"""How a page is written for the channel that takes it. Whatever the form, it holds what a `Message` does, no more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from shared.events.codes import HUB
from shared.platform.pagers import Channel, FormName
from shared.rules.page import Page

TYPE = "org.iop-hub.page"
_SEVERITY = {1: "info", 2: "warning", 3: "error", 4: "critical"}
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Message:
    """A page of a program, as its channel gets it. `id` is the `webhook-id`."""

    id: str
    page: Page
    program: str
    link: str

    @property
    def facts(self) -> dict[str, object]:
        return {
            "tier": f"T{self.page.tier}",
            "category": self.page.category,
            "reason": self.page.reason,
            "overdue": self.page.overdue,
            "program": self.program,
            "acknowledge_by": _written(self.page.acknowledge_by),
            "act_by": _written(self.page.act_by),
            "link": self.link,
        }

    @property
    def sentence(self) -> str:
        page, overdue = self.page, " overdue" if self.page.overdue else ""
        return (
            f"T{page.tier} {page.category}{overdue} ({self.program}): {page.reason}."
            f" Acknowledge by {_written(page.acknowledge_by)}, act by {_written(page.act_by)}: {self.link}"
        )


def written(message: Message, channel: Channel) -> tuple[bytes, str]:
    """The body for this channel, and its media type."""
    return _FORMS[channel.form](message, channel)


def _cloudevent(message: Message, _: Channel) -> tuple[bytes, str]:
    event = {
        "specversion": "1.0",
        "id": message.id,
        "source": HUB,
        "type": TYPE,
        "time": _written(message.page.at),
        "datacontenttype": "application/json",
        "data": message.facts,
    }
    return _encode(event), "application/cloudevents+json"


def _pagerduty(message: Message, channel: Channel) -> tuple[bytes, str]:
    """PagerDuty's Events API v2: the same `dedup_key` again is the same incident."""
    event = {
        "routing_key": channel.routing_key,
        "event_action": "trigger",
        "dedup_key": message.id,
        "links": [{"href": message.link, "text": "I have it"}],
        "payload": {
            "summary": message.sentence,
            "source": HUB,
            "severity": _SEVERITY[message.page.tier],
            "timestamp": _written(message.page.at),
            "group": message.program,
            "class": message.page.category,
            "custom_details": message.facts,
        },
    }
    return _encode(event), "application/json"


def _slack(message: Message, _: Channel) -> tuple[bytes, str]:
    return _encode({"text": message.sentence}), "application/json"


def _plain(message: Message, _: Channel) -> tuple[bytes, str]:
    return f"{message.sentence}\n".encode(), "text/plain; charset=utf-8"


_FORMS: Mapping[FormName, Callable[[Message, Channel], tuple[bytes, str]]] = {
    "cloudevent": _cloudevent,
    "pagerduty-v2": _pagerduty,
    "slack": _slack,
    "plain": _plain,
}


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
