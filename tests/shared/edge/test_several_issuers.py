"""An issuer that clients.toml names speaks for its clients and their persons, and for nobody else's."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, KeySet

from deploy.demo.serving import Taking, serving
from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import EdgeDependencies
from shared.edge.issuers import PublicKeys
from shared.platform import issuers
from shared.platform.clients import RegisteredClient
from shared.platform.issuers import NamedIssuer
from shared.platform.settings import ConfigurationError, staff
from shared.rules.staff import Member
from tests.service import DEPLOY
from tests.shared.edge.conftest import Counter, Issuer

CLINIC = "https://login.clinic.example"
EHR = RegisteredClient(
    programs=("demo", "west"), base_url="https://ehr.demo.iop-hub.org/fhir", scopes=("system/Task.rus",)
)
NURSE = {"fhirUser": "Practitioner/on-call-1", "sub": "u-7", "client_id": "ehr", "scope": "user/Task.rus"}
ON_CALL = "on-call-clinician-1"
SEVENTH = "u-7"


@dataclass
class Published:
    """An issuer's keys where it publishes them; `open` says whether it answers, `asked` how often it was."""

    keys: list[ECKey]
    at: str = ""
    open: bool = True
    asked: int = 0
    padding: str = ""

    def document(self) -> bytes:
        return json.dumps({**KeySet([*self.keys]).as_dict(private=False), "padding": self.padding}).encode()


@pytest.fixture
def clinic() -> Issuer:
    return Issuer(CLINIC)


@pytest.fixture
def published(clinic: Issuer) -> Iterator[Published]:
    known = Published([clinic.key])

    class KeysHandler(Taking):
        def do_GET(self) -> None:
            known.asked += 1
            if not known.open:
                self.send_error(503)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(known.document())

    with serving(KeysHandler) as address:
        known.at = f"{address}/keys"
        yield known


class Edges:
    """The service's edge, where the hub's own issuer and another one are known."""

    def __init__(self, counter: Counter, published: Published) -> None:
        self._counter = counter
        self._at = published.at

    def knowing(self, **named: Any) -> httpx.AsyncClient:
        given = {"url": CLINIC, "jwks": self._at, "audience": "hub", "clients": ("ehr",), "programs": ("demo",)} | named
        of_demo = {**staff(DEPLOY)["demo"], "nurse-7": Member(roles=("nurse",), practitioner=(f"{CLINIC}|{SEVENTH}",))}
        known = {"ehr": EHR, "lab": EHR}
        verifier = TokenVerifier(
            self._counter.issuer.url, "iop-hub", known, {"demo": of_demo, "west": of_demo}, [NamedIssuer(**given)]
        )
        parts = self._counter.dependencies
        dependencies = EdgeDependencies(
            parts.submissions, verifier, parts.reader, parts.inbox, parts.issuer, parts.ready
        )
        return httpx.AsyncClient(transport=httpx.ASGITransport(build(dependencies)), base_url="http://127.0.0.1")


@pytest.fixture
async def edges(counter: Counter, published: Published) -> AsyncIterator[Edges]:
    yield Edges(counter, published)


async def status(http: httpx.AsyncClient, issuer: Issuer, path: str = "Task", **claims: Any) -> int:
    token = issuer.token(**{"aud": "hub", "program": None, **claims})
    return (await http.get(f"/fhir/{path}", headers={"Authorization": f"Bearer {token}"})).status_code


async def test_its_client_and_its_person_may_what_the_client_may(edges: Edges, clinic: Issuer) -> None:
    http = edges.knowing()
    assert await status(http, clinic, sub="ehr") == 200
    assert await status(http, clinic, **NURSE) == 200
    assert await status(http, clinic, **NURSE | {"program": "demo"}) == 200


async def test_its_tokens_open_no_more_than_is_registered(edges: Edges, clinic: Issuer) -> None:
    http = edges.knowing()
    assert await status(http, clinic, "Patient", sub="ehr", scope="system/*.cruds") == 403
    assert await status(http, clinic, "Patient", **NURSE | {"scope": "user/*.cruds"}) == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "lab"},
        {"sub": "ehr", "program": "west"},
        NURSE | {"client_id": "lab"},
        NURSE | {"program": "west"},
        NURSE | {"fhirUser": "Practitioner/nobody"},
        NURSE | {"fhirUser": "Patient/on-call-1"},
    ],
)
async def test_for_another_client_program_or_person_it_may_not_speak(
    edges: Edges, clinic: Issuer, claims: dict[str, Any]
) -> None:
    assert await status(edges.knowing(), clinic, **claims) == 403


@pytest.mark.parametrize("claims", [{"aud": "iop-hub"}, {"iss": "https://else.example"}, {"exp": 1}, {"typ": "id+jwt"}])
async def test_what_is_not_for_here_and_now_names_nobody(edges: Edges, clinic: Issuer, claims: dict[str, Any]) -> None:
    assert await status(edges.knowing(), clinic, **NURSE | claims) == 401


async def test_nobody_signs_in_the_name_of_another_issuer(edges: Edges, counter: Counter, clinic: Issuer) -> None:
    as_hub, as_clinic = Issuer(counter.issuer.url, clinic.key), Issuer(CLINIC, counter.issuer.key)
    http = edges.knowing()
    assert await status(http, as_hub, aud="iop-hub", sub="ehr", program="demo") == 401
    assert await status(http, as_clinic, sub="ehr") == 401
    assert await status(http, counter.issuer, aud="iop-hub", sub="ehr", program="demo") == 200


async def test_where_sub_names_the_person_it_is_the_issuers_own_and_no_id_of_ours(edges: Edges, clinic: Issuer) -> None:
    http = edges.knowing(person_claim="sub")
    assert await status(http, clinic, sub=SEVENTH, client_id="ehr", scope="user/Task.rus") == 200
    assert await status(http, clinic, sub=ON_CALL, client_id="ehr", scope="user/Task.rus") == 403
    assert await status(http, clinic, **NURSE | {"sub": "u-8"}) == 403
    assert await status(http, clinic, sub="ehr", client_id="ehr", scope="system/Task.rus") == 200


async def test_where_fhir_user_names_the_person_a_sub_alone_is_the_clients(edges: Edges, clinic: Issuer) -> None:
    http = edges.knowing()
    assert await status(http, clinic, sub=SEVENTH, client_id="ehr", scope="system/Task.rus") == 200
    assert await status(http, clinic, sub=SEVENTH, client_id="ehr", scope="user/Task.rus") == 403


async def test_while_it_is_away_its_tokens_wait_and_everybody_elses_are_taken(
    edges: Edges, counter: Counter, clinic: Issuer, published: Published
) -> None:
    published.open, http = False, edges.knowing()
    assert [await status(http, clinic, sub="ehr") for _ in range(3)] == [503, 503, 503]
    assert await status(http, counter.issuer, aud="iop-hub", sub="ehr", program="demo") == 200
    assert published.asked == 1


async def test_keys_may_stand_in_a_file(edges: Edges, clinic: Issuer, published: Published, tmp_path: Path) -> None:
    file = tmp_path / "clinic.json"
    file.write_bytes(published.document())
    assert await status(edges.knowing(jwks=str(file)), clinic, sub="ehr") == 200
    assert published.asked == 0


# How often an issuer is asked for its keys


async def test_a_made_up_key_makes_us_ask_once_a_minute_and_a_new_one_is_found(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("shared.edge.issuers.ticks", lambda: now)
    keys, known = PublicKeys(published.at), str(published.keys[0].kid)
    for kid in (known, "made-up", "made-up-too"):
        await keys.with_key(kid)
    assert published.asked == 1
    published.keys.append(ECKey.generate_key("P-256", {"kid": "new"}))
    now += 60
    assert "new" in {each.kid for each in (await keys.with_key("new")).keys}
    await keys.with_key("made-up")
    assert published.asked == 2


async def test_keys_are_kept_for_an_hour_while_their_issuer_is_away(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("shared.edge.issuers.ticks", lambda: now)
    keys, known = PublicKeys(published.at), str(published.keys[0].kid)
    await keys.with_key(known)
    published.open, now = False, now + 301
    for _ in range(3):
        await keys.with_key(known)
    assert published.asked == 2
    now += 3300
    with pytest.raises(OSError, match="can't be had"):
        await keys.with_key(known)
    published.open, now = True, now + 5
    await keys.with_key(known)


async def test_more_than_any_keys_are_is_not_read(published: Published) -> None:
    published.padding = "x" * 300_000
    with pytest.raises(OSError, match="can't be had"):
        await PublicKeys(published.at).with_key(None)


# What clients.toml may say


RIGHT = {
    "url": f'"{CLINIC}"',
    "jwks": f'"{CLINIC}/keys"',
    "audience": '"hub"',
    "clients": '["ehr"]',
    "programs": '["demo"]',
    "person_claim": '"sub"',
}


def written(folder: Path, name: str = "clinic", **changed: str) -> Path:
    for file_name in ("clients.toml", "partners.toml"):
        copy(DEPLOY / file_name, folder)
    with (folder / "clients.toml").open("a") as file:
        for each in name.split():
            file.write(f"\n[issuer.{each}]\n" + "\n".join(f"{key} = {text}" for key, text in (RIGHT | changed).items()))
    return folder


def test_an_issuer_is_read_as_it_is_written(tmp_path: Path) -> None:
    assert issuers.issuers(DEPLOY) == {}
    (found,) = issuers.issuers(written(tmp_path), "http://127.0.0.1:8100").values()
    assert found == NamedIssuer(
        url=CLINIC,
        jwks=f"{CLINIC}/keys",
        audience="hub",
        clients=("ehr",),
        programs=("demo",),
        person_claim="sub",
    )


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"url": '"http://login.clinic.example"'}, "issuer.clinic: url: must be https"),
        ({"jwks": '"http://login.clinic.example/keys"'}, "issuer.clinic: jwks: must be https"),
        ({"jwks": '"nowhere.json"'}, "nowhere.json: can't be read"),
        ({"jwks": '"clients.toml"'}, "issuer.clinic: "),
        ({"audience": '""'}, "issuer.clinic: .*audience"),
        ({"clients": "[]"}, "issuer.clinic: .*clients"),
        ({"clients": '["stranger"]'}, "issuer.clinic: clients: must be registered"),
        ({"programs": '["west"]'}, "issuer.clinic: programs: each of its clients"),
        ({"person_claim": '"email"'}, "issuer.clinic: .*person_claim"),
        ({"url": '"https://hub.example"'}, "issuer.clinic: url: another issuer has it"),
        ({"name": "clinic other"}, "issuer.clinic: url: another issuer has it"),
    ],
)
def test_what_can_not_be_is_named_by_its_place(tmp_path: Path, changed: dict[str, str], place: str) -> None:
    with pytest.raises(ConfigurationError, match=place):
        issuers.issuers(written(tmp_path, **changed), "https://hub.example")
