"""Which calls say something to a user, and what: a text with its code and status, at a line of a file."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.documents.sources import Bindings, all_called, called, calls, variants

Argument = tuple[int, str] | tuple[int, str, str] | str
"""Where a call has it: position and keyword, and its default where it has one. Or, as a text, what it always is."""


@dataclass(frozen=True)
class Emitter:
    """A function or class that takes a text for a user."""

    text: Argument
    code: Argument = ""
    status: Argument = ""


@dataclass(frozen=True, order=True)
class Text:
    """One text for a user."""

    path: str
    line: int
    text: str
    code: str
    status: str


def texts(path: str, module: ast.Module, bindings: Bindings, emitters: Mapping[str, Emitter]) -> Iterator[Text]:
    """Every text of a module, those of its own functions that pass a text on included."""
    if all_called(module).isdisjoint(emitters):
        return
    every = {**emitters, **_passing_on(module, emitters)}
    every |= _passing_on(module, every)
    for call, bound in calls(module, bindings):
        emitter = every.get(called(call))
        if emitter is not None:
            code, status = _value(call, emitter.code, bound), _value(call, emitter.status, bound)
            for text in _variants(call, emitter.text, bound):
                yield Text(path, call.lineno, text, code, status)


def _passing_on(module: ast.Module, emitters: Mapping[str, Emitter]) -> dict[str, Emitter]:
    """The module's functions that give a parameter of theirs to an emitter as its text."""
    found: dict[str, Emitter] = {}
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = _parameters(function)
            for call, bound in calls(function, {}):
                emitter = emitters.get(called(call))
                if emitter is not None and _name(call, emitter.text) in parameters:
                    found[function.name] = Emitter(
                        *(_passed(call, argument, parameters, bound) for argument in _arguments(emitter))
                    )
    return found


def _arguments(emitter: Emitter) -> tuple[Argument, Argument, Argument]:
    return emitter.text, emitter.code, emitter.status


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, Argument]:
    """A function's parameters by name: where a call has each."""
    names = [parameter.arg for parameter in function.args.args if parameter.arg != "self"]
    absent = [""] * (len(names) - len(function.args.defaults))
    defaults = [*absent, *(ast.unparse(default) for default in function.args.defaults)]
    return {name: (place, name, default) for place, (name, default) in enumerate(zip(names, defaults, strict=True))}


def _passed(call: ast.Call, argument: Argument, parameters: Mapping[str, Argument], bindings: Bindings) -> Argument:
    name = _name(call, argument)
    return parameters[name] if name in parameters else _value(call, argument, bindings)


def _name(call: ast.Call, argument: Argument) -> str:
    given = _given(call, argument)
    return given.id if isinstance(given, ast.Name) else ""


def _given(call: ast.Call, argument: Argument) -> ast.expr | None:
    if isinstance(argument, str):
        return None
    position, keyword, *_ = argument
    if position < len(call.args):
        return call.args[position]
    return next((given.value for given in call.keywords if given.arg == keyword), None)


def _variants(call: ast.Call, argument: Argument, bindings: Bindings) -> list[str]:
    given = _given(call, argument)
    return [] if given is None else variants(given, bindings)


def _value(call: ast.Call, argument: Argument, bindings: Bindings) -> str:
    """What the call gives, else what it is without."""
    match argument:
        case str():
            return argument
        case (_, _, default) if _given(call, argument) is None:
            return default
        case _:
            return " or ".join(_variants(call, argument, bindings))
