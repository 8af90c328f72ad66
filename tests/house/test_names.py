"""The field's words: no identifier goes by a name that the house gave up, in code, schema, metrics or commands.

Tests' own names are sentences, and prose is prose: neither is looked at.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase
from typer.main import get_command

from deploy.cli import app
from shared.platform import metrics
from tests.house.test_rooms import ROOT, files

FOLDERS = ("shared", "services", "deploy", "bench", "tests")
SCHEMA = ROOT / "shared/platform/schema"

CODE = re.compile(r"[a-z]+(-[a-z]+)*")

BANNED_PARTS = (
    "word hear hears heard tell tells told say says said keep keeps kept desk desks manners door doors "
    "bell leash noted deliberation outward residue kin shed because"
)
"""Nowhere within a name, in snake or camel case: each is a word that something else is called by now."""

BANNED_NAMES = (
    "Accepted At Client Entry Finding Front Ground Item Known Ledger Lost Now Outcome Part Reader Refusal "
    "Slot Standing Taken Ticket Tool Without bus beside relay walking"
)
"""Alone they say nothing of what they are: `RetentionPolicy`, `ResourceReader`, `BundleEntry` do."""

FOREIGN = frozenset({"keep_blank_values", "timeout_keep_alive", "timeout_keep_alive_handler", "KEEP_ALIVE_SECONDS"})
"""What a library or a protocol calls so."""

SPOKEN = "--because"
"""The one option that says why in a sentence; `--reason` takes a code."""


def parts(name: str) -> list[str]:
    return [each.lower() for each in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def banned(name: str) -> bool:
    return name not in FOREIGN and (
        name in BANNED_NAMES.split() or any(each in BANNED_PARTS.split() for each in parts(name))
    )


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Every name that the file itself gives; one that it only uses is given elsewhere."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                continue
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.alias(asname=str(name)) | ast.MatchAs(name=str(name)):
                yield name


def schema_names() -> set[str]:
    """Tables and columns: what stands before a bracket or a type, and every other lower-case name outside comments."""
    statements = re.sub(r"--[^\n]*", "", "".join(file.read_text() for file in SCHEMA.glob("*.sql")))
    return set(re.findall(r"[a-z_]+", statements))


def metric_names() -> set[str]:
    return {
        family.name
        for each in vars(metrics).values()
        if isinstance(each, MetricWrapperBase)
        for family in each.collect()
    }


def command_texts(command: Any) -> Iterator[str]:
    """The names, help texts and options of a command and of those below it."""
    yield from (command.name or "", command.help or "", str(command.epilog or ""))
    for parameter in command.params:
        yield from (*parameter.opts, str(getattr(parameter, "help", None) or ""))
    for each in getattr(command, "commands", {}).values():
        yield from command_texts(each)


def code_names(tree: ast.AST) -> Iterator[str]:
    """Strings in the form of a code (`drug-test-outcome`): those that the house makes reach its users."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
            yield node.value


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_identifier_bears_a_name_given_up(folder: str) -> None:
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in files(folder)
        for name in (*identifiers(ast.parse(file.read_text())), *file.relative_to(ROOT).with_suffix("").parts)
        if banned(name)
    }
    assert sorted(found) == []


def test_no_code_bears_a_name_given_up() -> None:
    found = {
        f"{file.relative_to(ROOT)}: {code}"
        for file in files("shared", "services")
        for code in code_names(ast.parse(file.read_text()))
        if banned(code)
    }
    assert sorted(found) == []


def test_no_table_column_or_metric_bears_a_name_given_up() -> None:
    names = schema_names() | metric_names()
    assert {"outbox", "consent_id", "iop_deliveries"} <= names
    assert sorted(filter(banned, names)) == []


def test_no_command_speaks_the_words_given_up() -> None:
    texts = list(command_texts(get_command(app)))
    assert "redrive" in texts
    assert [text for text in texts if banned(text.replace(SPOKEN, ""))] == []


@pytest.mark.parametrize(
    "line", ["class Kept: pass", "def hear(): pass", "told = 1", "def f(said_by): pass", "class EventWord: pass"]
)
def test_a_name_given_up_is_found(line: str) -> None:
    assert any(banned(each) for each in identifiers(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["class ResourceReader: pass", "def test_it_is_told(): pass", "known = 1", "password = 1"]
)
def test_a_name_of_the_field_is_left_alone(line: str) -> None:
    assert not any(banned(each) for each in identifiers(ast.parse(line)))
