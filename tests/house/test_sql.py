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


def test_sql_stands_in_its_rooms_only() -> None:
    with_sql = {str(file.relative_to(ROOT)) for file in files("shared", "services", "deploy") if holds_sql(file)}
    assert {file for file in with_sql if not file.startswith(ROOMS)} == CREATE_DATABASES
    assert with_sql >= {"deploy/queries.py"}
