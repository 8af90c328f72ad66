"""`iop client`: laboratories' certificates, which MLLP with mutual TLS knows them by."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from deploy.certificates import ends_at
from deploy.commands.common import DEFAULT_DATA, Data, Settings, out, settings_of
from deploy.failure import CannotContinueError
from shared.platform import certificates
from shared.platform.certificates import CERTIFICATES_MOST, Certificate
from shared.platform.clients import RegisteredClient, laboratories
from shared.platform.clock import machine_now

commands = typer.Typer(help="Laboratories' certificates for MLLP with mutual TLS.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The laboratory's name in clients.toml.")]
FINGERPRINT_SHORTEST = 8


@commands.callback()
def client() -> None:
    """Laboratories' certificates for MLLP with mutual TLS."""


@commands.command("add-laboratory", epilog="Example: iop client add-laboratory lab --certificate lab.pem")
def add_laboratory(
    name: Name,
    certificate: Annotated[
        Path,
        typer.Option("--certificate", metavar="FILE", exists=True, dir_okay=False, help="Its certificate in PEM."),
    ],
    settings: Settings = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Bind a certificate to a laboratory and its programs; a running hub follows within seconds. A second one may be
    there while it takes the first one's place."""
    laboratory = _laboratory(name, settings, data)
    added = _only_one(certificate)
    keys = data / "keys"
    present = [each for each in _of(keys, name) if not _is_over(each)]
    if any(each.fingerprint == added.fingerprint for each in present):
        raise CannotContinueError(f"{name} has this certificate already")
    if len(present) >= CERTIFICATES_MOST:
        raise CannotContinueError(
            f"{name} has {CERTIFICATES_MOST} certificates: iop client remove-certificate one first"
        )
    _require_of_nobody_else(added, keys, name, settings_of(data, settings))
    certificates.store(keys, name, [*present, added])
    out.print(f"{name} ({', '.join(laboratory.programs)}): {added.fingerprint}, until {_until(added)}", markup=False)


@commands.command("remove-certificate", epilog="Example: iop client remove-certificate lab 5f0c9e7e1c1b")
def remove_certificate(
    name: Name,
    fingerprint: Annotated[str, typer.Argument(metavar="FINGERPRINT", help="Its SHA-256, or how it begins.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Withdraw a certificate: its lines end before their next message."""
    keys, begins = data / "keys", fingerprint.lower().replace(":", "")
    if len(begins) < FINGERPRINT_SHORTEST:
        raise CannotContinueError(f"FINGERPRINT must have {FINGERPRINT_SHORTEST} digits at least")
    present = _of(keys, name)
    remaining = [each for each in present if not each.fingerprint.startswith(begins)]
    if len(remaining) != len(present) - 1:
        raise CannotContinueError(f"{name} has no such certificate: see iop client list")
    certificates.store(keys, name, remaining)
    out.print(f"{name} has {len(remaining)} certificates now")


@commands.command("list", epilog="Example: iop client list")
def list_(settings: Settings = None, data: Data = DEFAULT_DATA) -> None:
    """Print each laboratory's certificates, and until when they are valid."""
    table = Table("laboratory", "programs", Column("certificate (SHA-256)", overflow="fold"), "until")
    for name, each in laboratories(settings_of(data, settings)).items():
        for certificate in _of(data / "keys", name):
            table.add_row(name, ", ".join(each.programs), certificate.fingerprint, _until(certificate))
    out.print(table)


def _laboratory(name: str, settings: Path | None, data: Path) -> RegisteredClient:
    found = laboratories(settings_of(data, settings)).get(name)
    if found is None or not re.fullmatch(r"[\w.-]+", name):
        raise CannotContinueError(
            f"{name} is no laboratory of clients.toml: a table [client.{name}] with the scope system/DiagnosticReport.c"
        )
    return found


def _only_one(file: Path) -> Certificate:
    try:
        found = certificates.in_pem(file.read_bytes())
    except ValueError as wrong:
        raise CannotContinueError(f"{file} {wrong}") from wrong
    if len(found) > 1:
        raise CannotContinueError(f"{file} must hold the laboratory's certificate alone, without those that signed it")
    if _is_over(found[0]):
        raise CannotContinueError(f"{file}: the certificate has expired")
    return found[0]


def _of(keys: Path, name: str) -> list[Certificate]:
    try:
        return certificates.of_client(keys, name)
    except ValueError as wrong:
        raise CannotContinueError(f"{certificates.file_of(keys, name)} {wrong}") from wrong


def _require_of_nobody_else(added: Certificate, keys: Path, name: str, settings: Path) -> None:
    others = laboratories(settings).keys() - {name}
    if any(each.fingerprint == added.fingerprint for other in others for each in _of(keys, other)):
        raise CannotContinueError("another laboratory has this certificate: it names one alone")


def _is_over(certificate: Certificate) -> bool:
    return ends_at(certificate.pem) <= machine_now()


def _until(certificate: Certificate) -> str:
    return f"{ends_at(certificate.pem):%Y-%m-%d}"
