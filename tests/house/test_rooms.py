"""The house's plan, held against the imports: rooms import downwards, one importer a library, pure rooms stay pure."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("intake", "attendance", "testing", "aftercare")
ROOMS = ("messages", "settings", "upcast", "state", "decide", "edge", "app")
"""From the ground up. The clinic's rules under their own names lie between settings and decide."""
NAMES = {
    "messages": {"Commands", "Consumes", "Emits", "Internal"},
    "settings": {"Settings"},
    "upcast": {"UPCAST"},
    "state": {"State", "VERSION", "UPCAST", "evolve", "due"},
    "decide": {"react", "decide"},
    "edge": {"interpret"},
    "app": {"assemble"},
}
"""What each room of a service defines, under the same name in every service."""
PARAMETERS = {
    "decide.react": ["state", "event", "moment"],
    "decide.decide": ["state", "command", "moment"],
    "state.evolve": ["state", "event"],
    "state.due": ["state"],
    "app.assemble": ["keys"],
}
IMPURE = ("asyncio", "asyncpg", "aiokafka", "faststream", "httpx", "starlette", "uvicorn", "fhir", "socket")
ONE_IMPORTER = {
    # The second one makes its client, as every other client of Kafka.
    "faststream": {"shared/path/inbound/consumer.py", "shared/platform/kafka.py"},
    # The second one loads it without the colours of a terminal, and uses nothing of it; the third asks for Kafka's
    # tokens, the fourth fetches what is public.
    "httpx": {
        *("shared/path/outbound/http.py", "services/__init__.py", "shared/platform/kafka_tokens.py"),
        "shared/path/outbound/fetching.py",
    },
    "fhir": {"shared/edge/fhir/models.py"},
    # The second one is the SDK, loaded where a collector is named.
    "opentelemetry": {"shared/platform/trace_export.py"},
}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def files(*folders: str) -> list[Path]:
    return [each for folder in folders for each in sorted((ROOT / folder).rglob("*.py"))]


def room_files(service: str, room: str) -> list[Path]:
    here = ROOT / "services" / service
    return [here / f"{room}.py"] if (here / f"{room}.py").exists() else files(f"services/{service}/{room}")


def test_the_import_contracts_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_rooms(service: str) -> None:
    assert [room for room in ROOMS if not room_files(service, room)] == []


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("room", ROOMS)
def test_a_room_defines_the_same_names_in_every_service(service: str, room: str) -> None:
    assert sorted(NAMES[room] - vars(import_module(f"services.{service}.{room}")).keys()) == []


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("function", PARAMETERS)
def test_a_function_of_a_room_takes_the_same_in_every_service(service: str, function: str) -> None:
    room, name = function.split(".")
    found = getattr(import_module(f"services.{service}.{room}"), name)
    assert list(signature(found).parameters) == PARAMETERS[function]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_decides_in_a_package_whose_match_is_its_contents(service: str) -> None:
    decide = ROOT / "services" / service / "decide" / "__init__.py"
    assert decide.exists()
    returned = {
        function.name: ast.unparse(function.returns).replace("messages.", "")
        for function in ast.parse(decide.read_text()).body
        if isinstance(function, ast.FunctionDef) and function.returns is not None and function.name in NAMES["decide"]
    }
    assert returned == {"react": "Sequence[Emits]", "decide": "Sequence[Emits] | Refused"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_state_has_its_open_escalations_and_every_setting_their_times(service: str) -> None:
    state, settings = (import_module(f"services.{service}.{room}") for room in ("state", "settings"))
    assert state.State().escalations == ()
    assert {"timezone", "escalation"} <= set(settings.Settings.__struct_fields__)


def test_a_moment_has_one_spelling() -> None:
    aliases = [
        (file.name, ast.unparse(node))
        for file in files("services", "shared")
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.alias) and node.name == "Moment" and node.asname)
        or (isinstance(node, ast.Assign) and ast.unparse(node.value).split("[")[0] == "Moment")
    ]
    assert aliases == []


@pytest.mark.parametrize("service", SERVICES)
def test_rooms_import_downwards_only(service: str) -> None:
    upwards = [
        (file.name, imported)
        for floor, room in enumerate(ROOMS)
        for file in room_files(service, room)
        for imported in imports(file)
        for above in ROOMS[floor + 1 :]
        if imported == f"services.{service}.{above}" or imported.startswith(f"services.{service}.{above}.")
    ]
    assert upwards == []


def reachable(service: str, room: str) -> set[Path]:
    """Every file of the service that this room comes to by its imports, itself included."""
    found, ahead = set[Path](), room_files(service, room)
    while ahead:
        file = ahead.pop()
        if file not in found:
            found.add(file)
            ahead.extend(near for name in names(file) for near in within(service, name))
    return found


def names(file: Path) -> Iterator[str]:
    """What it imports, and `package.name` of each name that it takes from a package: that may be a room too."""
    yield from imports(file)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{each.name}" for each in node.names)


def within(service: str, name: str) -> list[Path]:
    """The file that an import of this name runs: of a package its `__init__`, not what else lies in it."""
    inside = name.removeprefix(f"services.{service}.").replace(".", "/")
    here = ROOT / "services" / service / inside
    return [] if inside == name else [each for each in (here.with_suffix(".py"), here / "__init__.py") if each.exists()]


@pytest.mark.parametrize("service", SERVICES)
def test_what_decides_is_pure_and_so_is_every_rule_it_asks(service: str) -> None:
    rooms = reachable(service, "decide")
    assert {file.name for file in rooms} >= {"messages.py", "settings.py", "upcast.py", "state.py"}
    assert [file.name for file in rooms for above in ("edge", "app") if file in room_files(service, above)] == []
    assert impure(rooms) == []


def test_the_contract_and_the_shared_rules_are_pure() -> None:
    assert impure(files("shared/events", "shared/rules")) == []


CONSTANTS = "shared.platform.tables"
"""Reads what comes with the program, once, when a module is imported: to a decision it is a constant."""


def impure(rooms: Iterable[Path]) -> list[tuple[str, str]]:
    taken = [(file.name, name) for file in sorted(rooms) for name in imports(file) if name != CONSTANTS]
    return [
        each
        for each in taken
        if each[1].split(".")[0] in IMPURE or each[1].startswith(("shared.path", "shared.platform", "shared.edge"))
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_only_itself_and_what_is_shared(service: str) -> None:
    """So an image of it is `shared/` and its own folder."""
    ours = [(file.name, name) for file in files(f"services/{service}") for name in imports(file)]
    houses = [each for each in ours if each[1].split(".")[0] in ("services", "shared", "deploy", "tests", "bench")]
    assert [each for each in houses if not f"{each[1]}.".startswith((f"services.{service}.", "shared."))] == []


@pytest.mark.parametrize("library", ONE_IMPORTER)
def test_one_importer_a_library(library: str) -> None:
    importers = {
        str(file.relative_to(ROOT))
        for file in files("shared", "services")
        if any(name.split(".")[0] == library for name in imports(file))
    }
    assert importers == ONE_IMPORTER[library]


def test_nobody_reads_a_clock_but_the_clock() -> None:
    readers = {
        str(file.relative_to(ROOT))
        for file in files("shared", "services")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr)
        in {("datetime", "now"), ("datetime", "utcnow"), ("time", "time"), ("time", "monotonic")}
    }
    assert readers == {"shared/platform/clock.py"}


def test_no_class_of_the_domain_looks_like_a_test() -> None:
    named = [
        node.name
        for file in files("shared", "services", "deploy")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test")
    ]
    assert named == []
