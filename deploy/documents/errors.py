"""docs/errors.md: every text that refuses something, as it stands in the code, on one page."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import groupby

from deploy.documents.emitters import Emitter, Text, texts
from deploy.documents.sources import Bindings, called, calls, constants, field, modules, variants
from deploy.documents.tables import table

INTRODUCTION = """# Errors

Every text with which the hub refuses something, by the place where a user meets it. `{name}` stands for what the hub
fills in; in FHIR and HL7 that never is a value that was sent. This page is made from the code by `make docs`.
"""
FHIR_INTRODUCTION = """
## FHIR

An OperationOutcome has the text in `issue.diagnostics`, the code in `issue.code` and the place in `issue.expression`.
A status in italics is the one of a refused command with this code. A text without a status is one of several in
the OperationOutcome of a resource that FHIR R4 does not allow.
"""
HL7_INTRODUCTION = """
## HL7 v2

A refused message is answered with `MSA|AE` (its content) or `MSA|AR` (its kind or form); ERR names the place, and the
error of table 0357.

"""
ISSUER_INTRODUCTION = """
## Token issuer

`POST /token` answers with `error` and `error_description`, as OAuth 2.0 asks.
"""
COMMAND_INTRODUCTION = """
## Command line

`iop` prints `iop: ` and the text, and ends with code 1.
"""
START_INTRODUCTION = """
## Start of a service

A service with wrong settings logs the text and ends.
"""
BY_CODE = "by code"
FHIR: Mapping[str, Emitter] = {
    "refuse": Emitter((3, "diagnostics"), (1, "code"), (0, "status")),
    "fault": Emitter((2, "diagnostics"), (0, "code")),
    "Issue": Emitter((3, "diagnostics"), (1, "code")),
    "Refused": Emitter((1, "reason"), (0, "code"), BY_CODE),
    "WrongMoment": Emitter((1, "rule"), (0, "code"), "422"),
}
COMMAND: Mapping[str, Emitter] = {
    "CannotContinueError": Emitter((0, "")),
    "Broken": Emitter((0, "")),
}
ISSUER: Mapping[str, Emitter] = {
    "TokenRefusedError": Emitter((1, "description"), (0, "error"), (2, "status", "400")),
}
START: Mapping[str, Emitter] = {
    "ConfigurationError": Emitter((0, "")),
    "ValueError": Emitter((0, "")),
}
HL7_ROOM = "services/testing"


@cache
def page() -> str:
    """The whole page."""
    return "".join(
        (
            INTRODUCTION,
            FHIR_INTRODUCTION,
            *_by_file(found(FHIR, "shared", "services"), ("text", "code", "status"), _of_an_outcome),
            HL7_INTRODUCTION,
            table(("error", "acknowledged", "place", "in"), sorted(set(_faults()))),
            ISSUER_INTRODUCTION,
            *_by_file(found(ISSUER, "deploy"), ("text", "error", "status"), _of_a_token),
            COMMAND_INTRODUCTION,
            *_by_file(found(COMMAND, "deploy"), ("text",), lambda text: (text.text,)),
            START_INTRODUCTION,
            *_by_file(found(START, "services"), ("text",), lambda text: (text.text,)),
        )
    )


def found(emitters: Mapping[str, Emitter], *rooms: str) -> list[Text]:
    """Every text that these folders give to these emitters, in the order of files and lines."""
    everywhere = _shared_constants()
    return sorted(
        text
        for path, module in modules(*rooms)
        for text in texts(path, module, {**everywhere, **constants(module)}, emitters)
    )


@cache
def _shared_constants() -> dict[str, ast.expr]:
    """Constants by name, where one name means one thing in the whole house."""
    values: dict[str, dict[str, ast.expr]] = {}
    for _, module in modules("shared", "services", "deploy"):
        for name, value in constants(module).items():
            values.setdefault(name, {})[ast.unparse(value)] = value
    return {name: next(iter(several.values())) for name, several in values.items() if len(several) == 1}


def _by_file(
    every: Iterable[Text], columns: tuple[str, ...], cells: Callable[[Text], tuple[str, ...]]
) -> Iterator[str]:
    for path, several in groupby(every, key=lambda text: text.path):
        rows = dict.fromkeys(cells(text) for text in several)
        yield f"\n### {path}\n\n" + table(columns, list(rows))


def _of_an_outcome(text: Text) -> tuple[str, ...]:
    status = f"*{_status_of_refused().get(text.code, 422)}*" if text.status == BY_CODE else text.status
    return text.text, f"`{text.code}`" if text.code else "", status


@cache
def _status_of_refused() -> dict[str, int]:
    """The HTTP status of a refused command, by its code."""
    named = dict(modules("shared/edge"))["shared/edge/submissions.py"]
    statuses: dict[str, int] = ast.literal_eval(constants(named)["_STATUS"])
    return statuses


def _of_a_token(text: Text) -> tuple[str, ...]:
    return text.text, f"`{text.code}`", text.status


def _faults() -> Iterator[tuple[str, ...]]:
    """Each Fault as: number and meaning, AE or AR, its place, its file."""
    meanings = _meanings()
    everywhere = _shared_constants()
    for path, module in modules(HL7_ROOM):
        acknowledged = {}
        for call, bound in calls(module, {**everywhere, **constants(module)}):
            match call:
                case ast.Call(func=ast.Name(id="Nak"), args=[ast.Constant(value=str(code)), ast.Call() as fault, *_]):
                    acknowledged[id(fault)] = code
            match call:
                case ast.Call(args=[location, number, *_]) if called(call) == "Fault":
                    for value in _numbers(number, bound):
                        meaning = f"{value} {meanings.get(value, '')}".strip()
                        place = ", ".join(variants(location, bound) or [f"{{{field(location)}}}"])
                        yield meaning, acknowledged.get(id(call), "AE"), f"`{place}`" if place else "", path


def _numbers(number: ast.expr, bindings: Bindings) -> list[str]:
    attribute = bindings.get(number.attr) if isinstance(number, ast.Attribute) else None
    return variants(attribute or number, bindings) or ["by the status of the FHIR refusal"]


def _meanings() -> dict[str, str]:
    """Table 0357 as the acknowledgements write it."""
    for _, module in modules(HL7_ROOM):
        table_0357 = constants(module).get("MEANINGS")
        if table_0357 is not None:
            return {str(number): meaning for number, meaning in ast.literal_eval(table_0357).items()}
    return {}
