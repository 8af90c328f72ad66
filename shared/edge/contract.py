"""What a service's `edge.py` defines: the resource types it accepts, and what a submission means to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.edge.clients import Caller
from shared.edge.fhir import BundleEntry, ResourceSupport
from shared.events.envelope import Command
from shared.path.transaction.resources import AcceptedResource


@dataclass(frozen=True)
class StoredResource:
    """A resource as it is now: whose it is, and its body (empty for a sealed Patient)."""

    patient: str
    body: Mapping[str, Any]
    version: int = 1


@dataclass(frozen=True)
class Context:
    """Whose submission it is, and for which patient (the hub's id; empty while nobody knows).

    `stored` holds the resources that a PUT entry of this submission replaces, as they are now.
    """

    caller: Caller
    patient: str
    program: str
    settings: Any
    now: datetime
    stored: Mapping[tuple[str, str], StoredResource] = field(default_factory=dict)


@dataclass(frozen=True)
class Interpretation:
    """The commands, in order; the entries to store as they came; further resources to store beside them."""

    commands: tuple[Command, ...]
    accepted: tuple[BundleEntry, ...] = ()
    stored: tuple[AcceptedResource, ...] = ()


@dataclass(frozen=True)
class Edge:
    """`order` is the fixed order in which the entries of a transaction are interpreted, by type.

    `waits`: a submission for an unknown patient waits for the patient (laboratory facts); elsewhere it is refused as
    transient. `creates_patients`: a Patient that nobody knows becomes one here (intake).
    """

    takes: Mapping[str, ResourceSupport]
    interpret: Callable[[Sequence[BundleEntry], Context], Interpretation]
    order: tuple[str, ...] = ()
    messages: bool = False
    waits: bool = False
    creates_patients: bool = False
    accepts_any: bool = False
    """Whether types the service does not know are stored as they came, or refused."""
