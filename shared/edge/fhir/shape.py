"""The shape of a type of R4B: its elements, what must be there, and its choices, as far as the validator asks."""

import msgspec

ANY_TEXT = ""
"""The kind of a primitive of which the models ask nothing but that it is a string."""


class Element(msgspec.Struct, frozen=True, omit_defaults=True):
    """One element as R4B defines it: a primitive of this `kind` (`element` is empty), an element, or any resource.

    `label` is its name in FHIRPath. `codes` are those of a required binding. `targets` are the types a Reference may
    point to, None for any.
    """

    label: str
    many: bool
    element: str = ""
    kind: str = ANY_TEXT
    codes: frozenset[str] | None = None
    targets: frozenset[str] | None = None


class Demand(msgspec.Struct, frozen=True):
    """An element that must be there, by its name in FHIRPath. `extension` is the JSON name under which an extension
    may say why a required primitive is absent; empty where nothing can stand for it."""

    label: str
    name: str
    extension: str = ""


class Choice(msgspec.Struct, frozen=True):
    """The JSON names of a choice such as value[x], of which at most one stands in an element."""

    label: str
    names: frozenset[str]
    required: bool


class Table(msgspec.Struct, frozen=True):
    """A type: whether it is a concrete resource, its elements by JSON name, and what must be there."""

    is_resource: bool
    elements: dict[str, Element]
    demands: tuple[Demand, ...]
    choices: tuple[Choice, ...]
