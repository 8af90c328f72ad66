"""oncall.toml: per program which tiers ring, and the channels by which people are reached. Secrets stand in files of
their own, never in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from shared.platform import webhooks
from shared.platform.rota import FILE as ROTA
from shared.platform.rota import OnCall, rotas
from shared.platform.settings import numbers, programs, read_each, require_url
from shared.rules.page import Limits

FILE = "oncall.toml"
FormName = Literal["cloudevent", "pagerduty-v2", "slack", "plain"]
Tier = Literal["T1", "T2", "T3", "T4"]


class _Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel as it is written: its address or the file that holds it, and its secrets' files."""

    form: FormName
    url: str = ""
    url_file: str = ""
    secret_files: Annotated[tuple[str, ...], msgspec.Meta(max_length=2)] = ()
    routing_key_file: str = ""


class _Written(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One program's section of oncall.toml."""

    channel: Mapping[str, _Channel]
    tiers: tuple[Tier, ...] = ("T3", "T4")


@dataclass(frozen=True)
class Channel:
    """Where a page goes and how it is written; `secrets` sign it, two during a rotation."""

    name: str
    form: FormName
    url: str = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False, default=())
    routing_key: str = field(repr=False, default="")


@dataclass(frozen=True)
class Pager:
    """How a program's people are told of its escalations."""

    tiers: frozenset[int]
    channels: Mapping[str, Channel]
    on_call: OnCall
    limits: Limits

    def sharing(self, person: str) -> tuple[str, ...]:
        """All whom this person's channel reaches; everybody where the rota has been written anew without them."""
        people = self.on_call.people
        channel = people[person].channel if person in people else None
        return tuple(sorted(name for name, each in people.items() if channel in (None, each.channel)))

    def reachable(self, person: str) -> str:
        """The same person, or nobody where the rota has been written anew without them."""
        return person if person in self.on_call.people else ""

    def channel_of(self, person: str) -> Channel:
        return self.channels[self.on_call.people[person].channel]


def pagers(deploy: Path) -> dict[str, Pager]:
    """Per program; none where there is no oncall.toml: nobody is told then. Raises ConfigurationError."""
    on_call = rotas(deploy) if (deploy / ROTA).exists() else {}
    if not (deploy / FILE).exists():
        return {}
    known = programs(deploy)

    def read(program: str, section: Mapping[str, object]) -> Pager:
        if program not in on_call:
            raise ValueError(f"{ROTA} must say who is on call, [program.{program}]")
        written = msgspec.convert(section, type=_Written)
        channels = {name: _channel(deploy, name, each) for name, each in written.channel.items()}
        for name, person in on_call[program].people.items():
            if person.channel not in channels:
                raise ValueError(f"channel.{person.channel} is missing, by which {name} is reached ({ROTA})")
        limits = msgspec.convert(numbers(known[program].get("on_call", {})), type=Limits, strict=False)
        return Pager(frozenset(int(each[1]) for each in written.tiers), channels, on_call[program], limits)

    return read_each(deploy / FILE, "program", read)


def _channel(deploy: Path, name: str, written: _Channel) -> Channel:
    """Raises ValueError, OSError and ConfigurationError: none of them with what a file holds."""
    place = f"{FILE}: channel.{name}"
    if bool(written.url) == bool(written.url_file):
        raise ValueError(f"channel.{name}: either url or url_file is required")
    if written.form in ("cloudevent", "plain") and not written.secret_files:
        raise ValueError(f"channel.{name}.secret_files is missing: a receiver must be able to check who sent a page")
    if (written.form == "pagerduty-v2") != bool(written.routing_key_file):
        raise ValueError(f"channel.{name}.routing_key_file is required for pagerduty-v2, and for nothing else")
    url = written.url or _content(deploy / written.url_file)
    return Channel(
        name=name,
        form=written.form,
        url=require_url(url, f"{place}.url_file" if written.url_file else f"{place}.url"),
        secrets=tuple(_secret(deploy / each) for each in written.secret_files),
        routing_key=_content(deploy / written.routing_key_file) if written.routing_key_file else "",
    )


def _secret(file: Path) -> bytes:
    try:
        return webhooks.secret(_content(file))
    except ValueError as wrong:
        raise ValueError(f"{file}: {wrong}") from None


def _content(file: Path) -> str:
    content = file.read_text("utf-8").strip()
    if not content:
        raise ValueError(f"{file}: is empty")
    return content
