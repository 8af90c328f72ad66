"""Trip-wires: no function so long or so branched that it cannot be read in one go."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from complexipy import file_complexity

from tests.house.test_rooms import ROOT, files

FOLDERS = ("shared", "services", "deploy", "bench")
LINES_MOST = 40
CYCLOMATIC_MOST = 12
COGNITIVE_MOST = 15
ANY_MOST = 120
"""Lines of `shared` that name `Any`: foreign JSON, libraries without types, settings only their service knows."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler)


def functions(tree: ast.AST) -> Iterator[Function]:
    yield from (each for each in ast.walk(tree) if isinstance(each, Function))


def cyclomatic(node: ast.AST) -> int:
    """McCabe's ways through a function; a flat `match` is a table, not a tangle, and counts as one way."""
    return 1 + sum(_branches(each) for each in ast.walk(node))


def _branches(node: ast.AST) -> int:
    if isinstance(node, ast.Match):
        return 0 if _flat(node) else len(node.cases)
    return int(isinstance(node, BRANCHES))


def _flat(match: ast.Match) -> bool:
    """Whether no arm holds another branch."""
    inner = [each for case in match.cases for statement in case.body for each in ast.walk(statement)]
    return not any(isinstance(each, ast.Match | ast.If | ast.For | ast.While | ast.Try) for each in inner)


def cognitive(file: Path) -> Iterator[tuple[str, int]]:
    """Each function of the file, by its place in the house, and how hard it is to follow."""
    for each in file_complexity(str(file)).functions:
        yield f"{file.relative_to(ROOT)}::{each.name}", each.complexity


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{file.relative_to(ROOT)}::{each.name} has {lines} lines"
        for file in files(*FOLDERS)
        for each in functions(ast.parse(file.read_text()))
        if (lines := (each.end_lineno or 0) - each.lineno + 1) > LINES_MOST
    ]
    assert long == []


def test_no_function_has_too_many_ways_through_it() -> None:
    tangled = [
        f"{file.relative_to(ROOT)}::{each.name} has {ways}"
        for file in files(*FOLDERS)
        for each in functions(ast.parse(file.read_text()))
        if (ways := cyclomatic(each)) > CYCLOMATIC_MOST
    ]
    assert tangled == []


def test_no_function_is_hard_to_follow() -> None:
    hard = [name for file in files(*FOLDERS) for name, points in cognitive(file) if points > COGNITIVE_MOST]
    assert hard == []


def test_what_is_shared_has_types() -> None:
    lines = [line for file in files("shared") for line in file.read_text().splitlines()]
    assert sum(bool(re.search(r"\bAny\b", line)) for line in lines) <= ANY_MOST


@pytest.mark.parametrize(
    ("body", "ways"),
    [
        ("if a and b: return [d for d in c if d]", 2),
        ("for x in y:\n  if x: pass", 3),
        ("match a:\n  case 1: return b\n  case 2: return c", 1),
        ("match a:\n  case 1:\n    if b: return c\n  case 2: return c", 4),
    ],
)
def test_ways_through_a_function_are_counted(body: str, ways: int) -> None:
    assert cyclomatic(ast.parse(body)) == ways
