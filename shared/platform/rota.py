"""rota.toml: per program who is on call, who is their deputy, and when the clinic works. Read whole, and refused whole
where an hour has nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from shared.platform.settings import numbers, programs, read_each, require_zone
from shared.rules.ringing import Calendar
from shared.rules.rota import Exchange, Hours, Role, Rota, Shift, TimeOfDay, require_orderly, require_whole

FILE = "rota.toml"


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of the program's staff, by which channel of oncall.toml they are reached, and in which zone they live
    (empty: the rota's)."""

    channel: str
    timezone: str = ""


class _Written(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One program's section of rota.toml."""

    person: Mapping[str, Person]
    on_call: tuple[Shift, ...] = msgspec.field(name="on-call")
    deputy: tuple[Shift, ...] = ()
    exchange: tuple[Exchange, ...] = ()
    business_hours: tuple[Hours, ...] = ()
    holidays: tuple[date, ...] = ()
    timezone: str = ""


class _Program(msgspec.Struct, frozen=True, kw_only=True):
    """What a rota needs of its program's section of program.toml."""

    timezone: str
    staff: Mapping[str, object]
    on_call: Mapping[str, object] = {}


class Ringing(msgspec.Struct, frozen=True, kw_only=True):
    """The program's numbers about when something rings."""

    before_due_hours: float = 4.0
    daytime_from: TimeOfDay = "08:00"
    daytime_to: TimeOfDay = "20:00"


@dataclass(frozen=True)
class OnCall:
    """Who is reached how, and when; without a deputy's rota nobody is told besides."""

    rotas: Mapping[Role, Rota]
    people: Mapping[str, Person]
    calendar: Calendar


def rotas(deploy: Path) -> dict[str, OnCall]:
    """The rota of each program of rota.toml. Raises ConfigurationError."""
    known = programs(deploy)

    def read(program: str, section: Mapping[str, object]) -> OnCall:
        if program not in known:
            raise ValueError("is no program of program.toml")
        return _on_call(msgspec.convert(section, type=_Written), msgspec.convert(known[program], type=_Program))

    return read_each(deploy / FILE, "program", read)


def _on_call(written: _Written, program: _Program) -> OnCall:
    """Raises ValueError."""
    zone = require_zone(written.timezone or program.timezone)
    require_orderly(written.exchange)
    found: dict[Role, Rota] = {"on-call": _rota("on-call", written.on_call, written, zone)}
    if written.deputy:
        found["deputy"] = _rota("deputy", written.deputy, written, zone)
    _require_known(written, {name for each in found.values() for name in each.people()}, program)
    ringing = msgspec.convert(numbers(program.on_call), type=Ringing, strict=False)
    calendar = Calendar(
        rota=found["on-call"],
        business_hours=_office(written.business_hours),
        holidays=frozenset(written.holidays),
        daytime_from=ringing.daytime_from,
        daytime_to=ringing.daytime_to,
        before_due=timedelta(hours=ringing.before_due_hours),
        zones={name: require_zone(each.timezone) for name, each in written.person.items() if each.timezone},
    )
    return OnCall(found, written.person, calendar)


def _rota(role: Role, shifts: Sequence[Shift], written: _Written, zone: ZoneInfo) -> Rota:
    try:
        require_whole(shifts)
    except ValueError as wrong:
        raise ValueError(f"{role}: {wrong}") from None
    return Rota(zone, shifts, tuple(each for each in written.exchange if each.role == role))


def _require_known(written: _Written, named: set[str], program: _Program) -> None:
    if strangers := sorted({*named, *written.person} - set(program.staff)):
        raise ValueError(f"{strangers[0]} is no member of the program's staff (program.toml)")
    if unreachable := sorted(named - set(written.person)):
        raise ValueError(f"person.{unreachable[0]}.channel is missing: how they are reached")
    if any(each.role == "deputy" for each in written.exchange) and not written.deputy:
        raise ValueError("exchange: there is no rota of deputies whose hours could be exchanged")


def _office(hours: Sequence[Hours]) -> Sequence[Hours]:
    if any(each.from_ >= each.to for each in hours):
        raise ValueError("business_hours: from must be before to, on the same day")
    return hours
