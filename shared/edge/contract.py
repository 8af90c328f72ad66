"""What a service's `edge.py` defines: the resource types it accepts, and what a submission means to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shared.edge.clients import Caller
from shared.edge.fhir import BundleEntry, ResourceSupport, times
from shared.edge.json import Json, MutableJson
from shared.edge.moments import ProgramTime
from shared.edge.outcome import Issue
from shared.events.envelope import Command
from shared.events.fhir import Element
from shared.path.transaction.code_maps import MappedCode
from shared.path.transaction.consent_ledger import LedgerSnapshot
from shared.path.transaction.resources import AcceptedResource, Name


@dataclass(frozen=True)
class StoredResource:
    """A resource as it is now: whose it is, and its body (empty for a sealed Patient)."""

    patient: str
    body: Json
    version: int = 1


@dataclass(frozen=True)
class Context:
    """Whose submission it is, and for which patient (the hub's id; empty while nobody knows).

    `stored` holds the resources that a PUT entry of this submission replaces, as they are now, and what is behind them:
    of a closed escalation that it reopens what that rests on, else what the service asks for (`Edge.behind`);
    `unchanged` the entries of this submission that change nothing, as they stand: updates sent again, and what a
    conditional create found. Nothing is decided by them, and others beside them may mean something only with them;
    `same_minute` the patient's Observations of the minutes that the service asked for; `forms` by canonical the
    client's Questionnaires that are named in it, as they were sent before; `panels` by id the patient's panels of
    Observations that it touches, and their members.
    """

    caller: Caller
    patient: str
    program: str
    settings: Any
    now: datetime
    stored: Mapping[tuple[str, str], StoredResource] = field(default_factory=dict)
    same_minute: Mapping[str, StoredResource] = field(default_factory=dict)
    forms: Mapping[str, Json] = field(default_factory=dict)
    panels: Mapping[str, StoredResource] = field(default_factory=dict)
    unchanged: Sequence[BundleEntry] = ()

    @property
    def time(self) -> ProgramTime:
        """By what the moments in it are read."""
        return ProgramTime.of(self.settings, self.now)


@dataclass(frozen=True)
class Interpretation:
    """The commands, in order; the entries to store as they came; further resources to store beside them; work items of
    no patient, each stored once; and, by its id, what the outcome of an entry says of how it was read."""

    commands: tuple[Command, ...]
    accepted: tuple[BundleEntry, ...] = ()
    stored: tuple[AcceptedResource, ...] = ()
    questions: tuple[AcceptedResource, ...] = ()
    remarks: Mapping[str, tuple[Issue, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class OtherKey:
    """Whose a resource of no patient is: the kind of key, and which one, by its program and its body as stored; None of
    one that is a patient's, for there are both of its type."""

    kind: str
    of: Callable[[str, Json], str | None]


StateView = Callable[[object, Context, datetime], MutableJson]
"""What a service shows of one patient's state, as it is at that instant, or as it was in the time that holds it."""
LedgerView = Callable[[LedgerSnapshot, Context, datetime], MutableJson]
"""What a service shows of one patient's consents, as the gate would read them at that instant."""
Sought = Callable[..., Sequence[Element]]
"""What a Task says of a fact whose patient nobody knows, by the program's settings: nothing where nothing is decided by
it, and never an identifier."""
Whose = Callable[..., AcceptedResource]
"""The Task that asks a person whose a fact is, by the program's settings, and why."""
CodeLine = Callable[[Json, BundleEntry, Context], MappedCode | None]
"""What a Task as stored, and as it was answered, says of a laboratory's code; None while it is not completed."""
UnknownPatient = Literal["refused", "waiting", "created"]
"""What becomes of a submission about nobody known: refused as transient; it waits for its patient (laboratory facts);
or its Patient becomes one here (intake)."""
Minutes = frozenset[datetime]
Also = Literal["messages", "any-type"]
"""What a service accepts besides transactions of its types: $process-message; types that it does not know, stored as
received."""


@dataclass(frozen=True)
class Edge:
    """`order` is the fixed order in which the entries of a transaction are interpreted, by type; `questions` are the
    codes of its Tasks that are about no patient, and `context` the types that may come along, read and not stored. Of
    what `time_asks_a_person` names a wrong time refuses nothing: its service asks a person. `minutes` are those of
    which it reads what is stored too: what belongs together may come one by one. `behind` are the resources it reads
    beside those which are replaced; `forms` the canonicals of the forms by which it reads: a service that names them
    stores Questionnaires, of no patient. What updates a resource of a type in `others` commands a key that is no
    patient."""

    takes: Mapping[str, ResourceSupport]
    interpret: Callable[[Sequence[BundleEntry], Context], Interpretation]
    order: tuple[str, ...] = ()
    unknown_patient: UnknownPatient = "refused"
    also: frozenset[Also] = frozenset()
    questions: frozenset[str] = frozenset()
    code_lines: Mapping[str, CodeLine] = field(default_factory=dict)
    """By the code of a Task in `questions` that asks what a code means: the line of the map that its completion is."""
    assigns: frozenset[str] = frozenset()
    """Of those in `questions` the codes of Tasks whose completion names a patient, and is a command about them."""
    sought: Sought | None = None
    whose: Whose | None = None
    context: frozenset[str] = frozenset()
    context_beside: frozenset[str] = frozenset()
    """Types beside which another one that it accepts is context: without one of them that means something by itself."""
    time_asks_a_person: Callable[[BundleEntry, Context], bool] = lambda _entry, _context: False
    minutes: Callable[[Sequence[BundleEntry], Context], Minutes] | None = None
    forms: Callable[[Sequence[BundleEntry]], frozenset[str]] | None = None
    behind: Callable[[Sequence[BundleEntry], Context], Sequence[Name]] = lambda _entries, _context: ()
    others: Mapping[str, OtherKey] = field(default_factory=dict)
    views: Mapping[tuple[str, str], StateView] = field(default_factory=dict)
    """By type and name, its operations that show a patient's state."""
    ledger_views: Mapping[tuple[str, str], LedgerView] = field(default_factory=dict)
    """Likewise those that show what the consent gate knows of a patient."""
    definitions: Mapping[tuple[str, str], Json] = field(default_factory=dict)
    """By type and id, what the service's resources speak of: about nobody, so any valid token reads it."""

    def context_of(self, entries: Sequence[BundleEntry]) -> frozenset[str]:
        """The types that are context in this submission."""
        if any(each.type in self.context_beside for each in entries):
            return self.context
        return self.context - self.takes.keys()

    def read(self, entries: Sequence[BundleEntry], context: Context) -> Interpretation:
        """What these mean here, once every time in them came through its door. Raises HttpRefusal."""
        for each in entries:
            if not self.time_asks_a_person(each, context):
                times.require_times(each, context.time)
        return self.interpret(entries, context)
