"""The token issuer: who gets a token, for what, and who doesn't."""

import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from deploy import issuer, keys
from deploy.issuer import Issuer, TokenRefusedError
from deploy.paths import REPOSITORY
from shared.platform.client_assertion import ASSERTION_TYPE
from shared.platform.scopes import granted

URL = "http://127.0.0.1:8100"


@pytest.fixture
def here(tmp_path: Path) -> tuple[Issuer, Path]:
    folder = keys.make(tmp_path)
    return issuer.load(URL, "iop-hub", REPOSITORY / "deploy", folder), folder


def form(folder: Path, client: str = "ehr", key: ECKey | None = None, **changes: Any) -> dict[str, str]:
    """A good token request, with claims of its assertion changed (None removes one)."""
    signing = key or keys.read(folder / "clients" / f"{client}.private.json")
    claims = {
        "iss": client,
        "sub": client,
        "aud": f"{URL}/token",
        "exp": int(time.time()) + 60,
        "jti": str(uuid4()),
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    header = {"alg": "ES384", "kid": signing.kid}
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": jwt.encode(header, claims, signing, algorithms=["ES384"]),
        "scope": "system/*.cruds",
    }


def test_a_token_names_client_program_and_the_scopes_both_sides_agree_on(here: tuple[Issuer, Path]) -> None:
    ours, folder = here

    answer = ours.issue(form(folder) | {"scope": "system/Patient.cud system/Task.rs"})

    claims = jwt.decode(answer["access_token"], ours.signing_key, algorithms=["ES256"]).claims
    assert claims["sub"] == "ehr" and claims["program"] == "demo" and claims["iss"] == URL
    assert claims["scope"] == answer["scope"] == "system/Task.rs system/Patient.cu"
    assert claims["exp"] - claims["iat"] == answer["expires_in"]


def test_a_client_may_ask_for_one_of_the_programs_staff(here: tuple[Issuer, Path]) -> None:
    ours, folder = here
    answer = ours.issue(form(folder) | {"scope": "system/Task.rus", "person": "on-call-clinician-1"})
    claims = jwt.decode(answer["access_token"], ours.signing_key, algorithms=["ES256"]).claims
    assert (claims["sub"], claims["client_id"]) == ("on-call-clinician-1", "ehr")
    assert claims["scope"] == answer["scope"] == "user/Task.rs user/Task.u"
    for stranger in ("nobody", ""):
        with pytest.raises(TokenRefusedError, match="member of the program's staff"):
            ours.issue(form(folder) | {"person": stranger})


def test_an_assertion_is_taken_once(here: tuple[Issuer, Path]) -> None:
    ours, folder = here
    once = form(folder)
    ours.issue(once)

    with pytest.raises(TokenRefusedError, match="used before"):
        ours.issue(once)


def test_the_same_jti_of_another_client_is_another_assertion(here: tuple[Issuer, Path]) -> None:
    ours, folder = here
    ours.issue(form(folder, "ehr", jti="first"))

    assert ours.issue(form(folder, "lab", jti="first"))["access_token"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "http://elsewhere/token"}, "iss and sub must be the client's id"),
        ({"sub": "lab"}, "iss and sub must be the client's id"),
        ({"iss": "lab", "sub": "lab"}, "signed with the key of a registered client"),
        ({"exp": 1}, "exp must be in the future"),
        ({"exp": int(time.time()) + 3600}, "exp must be in the future, by at most five minutes"),
        ({"exp": None}, "are required"),
        ({"jti": None}, "are required"),
        ({"jti": 7}, "are required"),
    ],
)
def test_an_assertion_that_is_not_quite_right_is_refused(
    here: tuple[Issuer, Path], changes: dict[str, Any], reason: str
) -> None:
    ours, folder = here

    with pytest.raises(TokenRefusedError, match=reason) as refused:
        ours.issue(form(folder, **changes))

    assert (refused.value.error, refused.value.status) == ("invalid_client", 401)


def test_a_key_that_is_not_registered_signs_nothing(here: tuple[Issuer, Path]) -> None:
    ours, folder = here
    registered = keys.read(folder / "clients" / "ehr.private.json")
    stranger = ECKey.generate_key("P-384", parameters={"kid": registered.kid or ""})

    with pytest.raises(TokenRefusedError, match="signed with the key of a registered client"):
        ours.issue(form(folder, key=stranger))


@pytest.mark.parametrize("assertion", ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "\u00fc.\u00fc.\u00fc", "....."])
def test_an_assertion_that_is_none_is_refused(here: tuple[Issuer, Path], assertion: str) -> None:
    ours, folder = here

    with pytest.raises(TokenRefusedError):
        ours.issue(form(folder) | {"client_assertion": assertion})


async def test_a_request_without_end_is_read_to_its_limit(here: tuple[Issuer, Path]) -> None:
    ours, _ = here

    async def without_end() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10_000

    transport = httpx.ASGITransport(issuer.application(ours))
    async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
        answer = await http.post("/token", content=without_end())
    assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")


def test_a_program_the_client_is_not_registered_for_is_refused(here: tuple[Issuer, Path]) -> None:
    ours, folder = here

    with pytest.raises(TokenRefusedError, match="program"):
        ours.issue(form(folder) | {"program": "elsewhere"})


def test_a_token_with_no_scope_left_is_refused(here: tuple[Issuer, Path]) -> None:
    ours, folder = here

    with pytest.raises(TokenRefusedError, match="scope"):
        ours.issue(form(folder, "lab") | {"scope": "system/Consent.u"})


@pytest.mark.parametrize(
    ("registered", "requested", "common"),
    [
        ("system/Patient.cruds", "system/Patient.rs", ("system/Patient.rs",)),
        ("system/*.rs", "system/Patient.cruds", ("system/Patient.rs",)),
        ("system/Patient.cu", "system/*.cruds", ("system/Patient.cu",)),
        ("system/Patient.cu", "system/Patient.rs", ()),
        ("system/Patient.cu", "system/Task.cu", ()),
        ("system/Patient.cu", "patient/Patient.cu", ()),
        ("system/*.cruds", "system/iop-parked.u", ()),
        ("system/iop-parked.ru", "system/*.cruds", ()),
        ("system/iop-parked.ru", "system/iop-parked.u", ("system/iop-parked.u",)),
        ("system/Patient.cu", "system/Patient.write", ()),
    ],
)
def test_what_is_granted_is_what_both_have(registered: str, requested: str, common: tuple[str, ...]) -> None:
    assert granted((registered,), (requested,)) == common


def test_a_client_that_brings_its_own_key_gets_none(tmp_path: Path) -> None:
    own = keys.make(tmp_path / "theirs") / keys.of("lab")
    folder = tmp_path / "ours" / "keys"
    (folder / keys.of("lab")).parent.mkdir(parents=True)
    shutil.copy(own, folder / keys.of("lab"))

    keys.make(tmp_path / "ours", ("lab", "west-ehr"))

    assert (folder / keys.of("lab")).read_text() == own.read_text()
    made = {each.name for each in (folder / "clients").iterdir()}
    assert made == {"lab.public.json", "west-ehr.public.json", "west-ehr.private.json"}


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = keys.make(tmp_path)
    first = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}

    keys.make(tmp_path)

    assert first == {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert {path.stat().st_mode & 0o777 for path in first} == {0o600}
    assert not [path for path in first if path.name.endswith(".public.json") and '"d"' in first[path]]
