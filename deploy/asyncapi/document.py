"""The whole document: every topic as a channel, every event as a message, what each service sends and receives."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from deploy import topics
from deploy.asyncapi.messages import message, message_of_open, payload
from shared.events.catalogue import CONSUMES, ENTRIES, OPEN_ESCALATIONS, CatalogueEntry
from shared.events.escalation import EscalationEvent, EscalationResolved, EscalationRetracted
from shared.platform.build import VERSION

LINE = 160
CLOSING = (EscalationResolved, EscalationRetracted)
DESCRIPTION = (
    "What the services of an IOP Hub say to one another and to whoever reads along. Headers are CloudEvents 1.0 (ce_"
    " before each attribute), as UTF-8 text like the keys; values are FHIR R4 message Bundles of exactly the form"
    " described here. A later release may add: check records by the document of the release that wrote them, and pass"
    " over what you do not know."
)


def text() -> str:
    """The document as its file holds it."""
    return _lines(document(), 0) + "\n"


def _lines(value: Any, indent: int) -> str:
    """JSON in which whatever fits on a line stands on one, so that a change can be read."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or indent + len(short) < LINE:
        return short
    named = [f"{json.dumps(each)}: " for each in value] if isinstance(value, dict) else [""] * len(value)
    members = value.values() if isinstance(value, dict) else value
    within = [
        f"{' ' * (indent + 1)}{name}{_lines(each, indent + 1)}" for name, each in zip(named, members, strict=True)
    ]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return begin + "\n" + ",\n".join(within) + "\n" + " " * indent + end


def document() -> dict[str, Any]:
    """The document as JSON."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "IOP Hub: topics",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/fhir+json",
        "channels": {name: _channel(name, topic) for name, topic in topics.load().topic.items()},
        "operations": dict(_operations()),
        "components": {
            "messages": dict(_messages()),
            "schemas": {entry.event.__name__: payload(entry) for entry in ENTRIES},
        },
    }


def _messages() -> Iterable[tuple[str, Any]]:
    for entry in ENTRIES:
        made = message(entry)
        yield entry.event.__name__, made
        if issubclass(entry.event, EscalationEvent):
            yield _open_name(entry), message_of_open(made, closed=issubclass(entry.event, CLOSING))


def _open_name(entry: CatalogueEntry) -> str:
    return f"{entry.event.__name__}.open"


def _on(name: str) -> dict[str, str]:
    """The messages of a channel, by the name of their event: each one's name among all messages."""
    if name == OPEN_ESCALATIONS:
        return {each.event.__name__: _open_name(each) for each in ENTRIES if issubclass(each.event, EscalationEvent)}
    return {each.event.__name__: each.event.__name__ for each in ENTRIES if each.topic == name}


def _channel(name: str, topic: topics.Topic) -> dict[str, Any]:
    return {
        "address": name,
        "description": topic.holds,
        "messages": {event: {"$ref": f"#/components/messages/{message}"} for event, message in _on(name).items()},
        "bindings": {
            "kafka": {
                "topic": name,
                "partitions": topics.load().partitions,
                "topicConfiguration": {key: _configured(key, value) for key, value in topic.configuration.items()},
                "bindingVersion": "0.5.0",
            }
        },
        "x-writers": list(topic.writers),
        "x-readers": list(topic.readers),
    }


def _configured(key: str, value: str) -> Any:
    """As the Kafka binding types it."""
    return [value] if key == "cleanup.policy" else int(value)


def _operations() -> Iterable[tuple[str, Any]]:
    for service, consumed in CONSUMES.items():
        for name, topic in topics.load().topic.items():
            if service in topic.writers:
                yield f"{service}.send.{name}", _operation("send", name, _on(name))
        events = [each.event.__name__ for each in ENTRIES if each.topic == consumed and service in each.consumers]
        yield f"{service}.receive.{consumed}", _operation("receive", consumed, events)


def _operation(action: str, name: str, events: Sequence[str] | dict[str, str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{event}"} for event in events],
    }
