"""`iop client`: a laboratory's certificates are bound, listed, rotated and withdrawn."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy import mllp_authority
from deploy.certificates import Authority
from deploy.cli import app
from shared.platform import certificates
from tests.service import DEPLOY


def printed(data: Path, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["client", *arguments, "--data", str(data)], env={"IOP_DEPLOY": str(DEPLOY)})
    assert done.exit_code == code or (code and done.exception is not None), done.output
    return done.output + str(done.exception or "")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.make("authority")
    return made


def written(authority: Authority, name: str, days: float = 10) -> Path:
    """A laboratory's certificate, in a file as it would send it."""
    file = authority.folder / f"{name}.pem"
    file.write_bytes(authority.sign(name, days).certificate)
    return file


def bound(data: Path, client: str = "lab") -> list[str]:
    return [each.fingerprint for each in certificates.of_client(data / "keys", client)]


def add(data: Path, file: Path, name: str = "lab", code: int = 0) -> str:
    return printed(data, "add-laboratory", name, "--certificate", str(file), code=code)


def test_a_certificate_is_bound_to_a_laboratory_and_its_programs(data: Path, authority: Authority) -> None:
    file = written(authority, "one")
    assert add(data, file).startswith("lab (demo): ")
    (known,) = certificates.in_pem(file.read_bytes())
    assert bound(data) == [known.fingerprint]
    assert certificates.file_of(data / "keys", "lab").stat().st_mode & 0o777 == 0o600
    assert known.fingerprint[:12] in printed(data, "list")


def test_two_at_a_time_while_one_takes_the_others_place(data: Path, authority: Authority) -> None:
    for name in ("one", "two"):
        add(data, written(authority, name))
    first, second = bound(data)
    assert "has 2 certificates" in add(data, written(authority, "three"), code=1)
    assert bound(data) == [first, second]
    assert printed(data, "remove-certificate", "lab", first[:12].upper()) == "lab has 1 certificates now\n"
    assert bound(data) == [second]
    assert "no such certificate" in printed(data, "remove-certificate", "lab", first, code=1)
    assert "8 digits" in printed(data, "remove-certificate", "lab", "", code=1)
    printed(data, "remove-certificate", "lab", second)
    assert bound(data) == []


def test_an_expired_one_makes_room(data: Path, authority: Authority) -> None:
    expired, valid = (certificates.in_pem(written(authority, f"{days}", days).read_bytes()) for days in (-0.5, 10))
    certificates.store(data / "keys", "lab", [*expired, *valid])
    add(data, written(authority, "new"))
    assert bound(data)[0] == valid[0].fingerprint and len(bound(data)) == 2


def test_what_names_nobody_is_refused(data: Path, authority: Authority) -> None:
    good = written(authority, "good")
    assert "no laboratory of clients.toml" in add(data, good, "nobody", code=1)
    assert "no laboratory of clients.toml" in add(data, good, "ehr", code=1), "it may not report"
    add(data, good)
    assert "has this certificate already" in add(data, good, code=1)
    assert "has expired" in add(data, written(authority, "old", -0.5), code=1)
    junk, chain = authority.folder / "junk.pem", authority.folder / "chain.pem"
    junk.write_text("-----BEGIN CERTIFICATE-----\nabcd\n-----END CERTIFICATE-----\n")
    chain.write_bytes(good.read_bytes() + authority.certificate.read_bytes())
    assert "must be a certificate in PEM" in add(data, junk, code=1)
    assert "must hold the laboratory's certificate alone" in add(data, chain, code=1)
    assert len(bound(data)) == 1


def test_the_demo_binds_what_it_makes_and_touches_nothing_that_exists(tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        return {each.name: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}

    mllp_authority.make(tmp_path, ["lab"])
    before = files()
    (own,) = certificates.in_pem(before["lab.pem"])
    assert bound(tmp_path.parent, "lab") == [] and [
        each.fingerprint for each in certificates.of_client(tmp_path, "lab")
    ] == [own.fingerprint]
    mllp_authority.make(tmp_path, ["lab"])
    assert {name for name, content in files().items() if before[name] != content} == {"server.pem"}
    certificates.store(tmp_path, "lab", certificates.in_pem(before["ca.pem"]))
    (tmp_path / "mllp" / "lab.pem").unlink()
    mllp_authority.make(tmp_path, ["lab"])
    assert not (tmp_path / "mllp" / "lab.pem").exists(), "it has brought its own"
