"""SQL stands in the platform, on the path and in deploy's queries: whoever changes a table reads those rooms only."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.test_rooms import ROOT, files

SQL = re.compile(
    r"\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|TRUNCATE|CREATE (DATABASE|TABLE|INDEX)|ALTER TABLE|DROP TABLE"
    r"|COPY \w+|LISTEN|NOTIFY|FOR UPDATE)\b"
)
ROOMS = ("shared/platform/", "shared/path/", "deploy/queries.py")
CREATE_DATABASES = {"deploy/embedded_postgres.py", "deploy/servers.py"}
"""The servers' own set-up: it runs before there is a schema."""
STATEMENT = re.compile(r"\s*(?=SELECT|INSERT|UPDATE|DELETE|WITH).*\b(FROM|INTO|UPDATE) \w", re.DOTALL)
"""One that names a table."""
MADE_WHERE_THEY_RUN = {
    "shared/path/transaction/search.py": "a search, made of what it is asked",
    "shared/platform/db.py": "the migrations",
    "shared/platform/retention.py": "a month of the journal",
}
"""Statements that are no constants, and what they are about."""


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text of a file but its docstrings."""
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def holds_sql(file: Path) -> bool:
    return any(SQL.search(text) for text in texts(ast.parse(file.read_text())))


def path_files() -> list[Path]:
    """The rooms whose statements serve patients; those of the commands are a person's."""
    return [
        file for file in files("shared") if str(file.relative_to(ROOT)).startswith(("shared/platform/", "shared/path/"))
    ]


def in_functions(tree: ast.Module) -> Iterator[str]:
    """Every text in a function, those made of parts without what is filled in."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        for node in ast.walk(function):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        yield from texts(function)


def test_each_statement_is_a_constant_so_that_its_plan_is_tried() -> None:
    """Or is written down above: a plan that nobody has looked at may read every patient."""
    made = {
        str(file.relative_to(ROOT))
        for file in path_files()
        if any(STATEMENT.match(text) for text in in_functions(ast.parse(file.read_text())))
    }
    assert made == MADE_WHERE_THEY_RUN.keys()


def test_sql_stands_in_its_rooms_only() -> None:
    with_sql = {str(file.relative_to(ROOT)) for file in files("shared", "services", "deploy") if holds_sql(file)}
    assert {file for file in with_sql if not file.startswith(ROOMS)} == CREATE_DATABASES
    assert with_sql >= {"deploy/queries.py"}
