"""Texts as they stand in the code: what a call says, whichever way its text is put together."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path

from deploy.paths import REPOSITORY

Bindings = Mapping[str, ast.expr]


def modules(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    """The Python files of these folders, by their path from the repository."""
    for room in rooms:
        for file in sorted((REPOSITORY / room).rglob("*.py")):
            yield str(file.relative_to(REPOSITORY)), _parsed(file)


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def constants(module: ast.Module) -> dict[str, ast.expr]:
    """What the module's own names are set to, where that is written as a text, number or table."""
    found: dict[str, ast.expr] = {}
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                found |= {
                    name.id: value for name, value in zip(names, values, strict=True) if isinstance(name, ast.Name)
                }
    return found


def calls(node: ast.AST, bindings: Bindings) -> Iterator[tuple[ast.Call, Bindings]]:
    """Every call, with what its names are bound to; a loop over a written table is taken row by row."""
    if isinstance(node, ast.Call):
        yield node, bindings
    if isinstance(node, ast.For) and (rows := list(_rows(node))):
        for row in rows:
            for statement in node.body:
                yield from calls(statement, {**bindings, **row})
        return
    for child in ast.iter_child_nodes(node):
        yield from calls(child, bindings)
        match child:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                bindings = {**bindings, name: value}


def _rows(loop: ast.For) -> Iterator[dict[str, ast.expr]]:
    match loop:
        case ast.For(target=ast.Tuple(elts=names), iter=ast.Tuple(elts=rows) | ast.List(elts=rows)):
            for row in rows:
                if isinstance(row, ast.Tuple) and len(row.elts) == len(names):
                    yield {ast.unparse(name): value for name, value in zip(names, row.elts, strict=True)}


def called(call: ast.Call) -> str:
    """The last name of what is called: `refuse` of `outcome.refuse(...)`."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


@cache
def all_called(module: ast.Module) -> frozenset[str]:
    """The last names of all that a module calls."""
    return frozenset(called(each) for each in ast.walk(module) if isinstance(each, ast.Call))


def variants(node: ast.expr, bindings: Bindings) -> list[str]:
    """The texts an expression can have, its fields written as `{name}`; empty where it is no text."""
    match node:
        case ast.Constant(value=str() | int() as value):
            return [str(value)]
        case ast.Name(id=name) if name in bindings:
            return variants(bindings[name], {key: bound for key, bound in bindings.items() if key != name})
        case ast.IfExp(body=body, orelse=otherwise):
            return variants(body, bindings) + variants(otherwise, bindings)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([variants(left, bindings), variants(right, bindings)])
        case ast.JoinedStr(values=parts):
            return _joined([variants(part, bindings) for part in parts])
        case ast.FormattedValue(value=value):
            written = [] if isinstance(value, ast.BinOp) else variants(value, bindings)
            return written or [f"{{{field(value)}}}"]
        case _:
            return []


def _joined(parts: list[list[str]]) -> list[str]:
    return ["".join(chosen) for chosen in product(*parts)] if all(parts) else []


def field(node: ast.expr) -> str:
    """A short name for what a field holds: `address` of `self.address`, `known` of `', '.join(sorted(known))`."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr="__name__"):
            return field(value)
        case ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value) | ast.Starred(value=value):
            return field(value)
        case ast.Call(args=[inner, *_]) if not isinstance(inner, ast.GeneratorExp | ast.Constant):
            return field(inner)
        case ast.Call(func=ast.Attribute(value=value)) if not isinstance(value, ast.Constant):
            return field(value)
        case _:
            names = [name.id for name in ast.walk(node) if isinstance(name, ast.Name)]
            return names[-1] if names else "..."
