"""What is said and written to a patient, by channel, as data; and as FHIR, for whoever reads the Task.

A Task that asks somebody to reach out names its script, a PlanDefinition with an action for each channel. What a script
says may reach somebody else, so none names the program, the disorder, a treatment or a result (42 CFR 2.13); tests hold
every table to it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from string import Formatter

import msgspec

from shared.events import fhir
from shared.events.escalation import script_url
from shared.events.outreach import Channel, medium
from shared.platform.settings import ConfigurationError
from shared.platform.tables import structured

FIELDS = frozenset({"caller", "patient", "number"})
"""What a script leaves to be filled in."""


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By one channel; `medium` is what an attempt by it is reported as."""

    medium: Channel
    text: str


class Scripts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For one reason to reach out, by the name of the channel."""

    title: str
    channels: dict[str, Script]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By the name that Tasks give it."""

    scripts: dict[str, Scripts]


def read(file: Path, named: Collection[str]) -> dict[str, Scripts]:
    """The table. Raises ConfigurationError where a script that Tasks name is missing, or a text has another gap."""
    table = structured(file, Table).scripts
    if missing := set(named) - table.keys():
        raise ConfigurationError(f"{file}: scripts must have {', '.join(sorted(missing))}.")
    for name, scripts in table.items():
        for channel, script in scripts.channels.items():
            if not {field for _, field, _, _ in Formatter().parse(script.text) if field is not None} <= FIELDS:
                place = f"{file}: scripts.{name}.channels.{channel}.text"
                raise ConfigurationError(f"{place}: must leave only {', '.join(sorted(FIELDS))} to be filled in.")
    return table


def plans(table: Mapping[str, Scripts]) -> list[fhir.Element]:
    """Each as a PlanDefinition."""
    return [_plan(name, scripts) for name, scripts in table.items()]


def _plan(name: str, scripts: Scripts) -> fhir.Element:
    url = script_url(name)
    return {
        "resourceType": "PlanDefinition",
        "id": url.rpartition("/")[2],
        "url": url,
        "name": "".join(each.capitalize() for each in name.split("-")),
        "title": scripts.title,
        "status": "active",
        "action": [
            {
                "title": channel,
                "code": [medium(script.medium)],
                "textEquivalent": script.text,
            }
            for channel, script in scripts.channels.items()
        ],
    }
