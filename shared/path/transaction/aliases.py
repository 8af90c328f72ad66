"""Who a patient is: keyed digests of identifiers, aliases, parts sealed for one reader, and what waits for a patient.

Patient ids are random. An identifier leaves intake only as HMAC-SHA256 of program, system and value, or inside a part
that one service can open.
"""

import hashlib
import hmac
import json
import secrets
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid5

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from shared.events.intake import Digest, PatientIdentified
from shared.events.internal import ContactKnown
from shared.path.service import Service
from shared.path.transaction.delivery import AcceptedResource, Delivery
from shared.platform.db import Connection

_ALGORITHM = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
_NONCE_BYTES = 12


class Identifier(msgspec.Struct, frozen=True):
    """An identifier as it came: it lives in memory only, while a request is answered."""

    system: str
    value: str


@dataclass(frozen=True)
class Keys:
    """The key material one service may hold: the digest keys, its own private key, everybody's public key."""

    service: str
    digest_keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    """Key id and key; the first is the current one, more only during a rotation."""
    private: ECKey = field(repr=False)
    public: Mapping[str, ECKey] = field(repr=False)
    documents: bytes = field(repr=False)

    @classmethod
    def load(cls, folder: Path, service: str) -> "Keys":
        lines = (folder / "digest.key").read_text().split()
        pairs = tuple((name, bytes.fromhex(key)) for name, _, key in (line.partition(":") for line in lines))
        public = {
            path.name.removesuffix(".public.json"): ECKey.import_key(json.loads(path.read_text()))
            for path in folder.glob("*.public.json")
        }
        return cls(
            service=service,
            digest_keys=pairs,
            private=ECKey.import_key(json.loads((folder / f"{service}.private.json").read_text())),
            public=public,
            documents=bytes.fromhex((folder / f"documents.{service}.key").read_text().strip()),
        )

    def digests(self, program: str, identifiers: Iterable[Identifier]) -> tuple[Digest, ...]:
        """Every identifier under every key held; a patient in two programs is two patients."""
        return tuple(Digest(name, _hmac(key, program, each)) for each in identifiers for name, key in self.digest_keys)

    def seal(self, reader: str, part: Mapping[str, Any]) -> str:
        """A compact JWE that only `reader` can open; its `kid` emits whose it is."""
        header = {**_ALGORITHM, "kid": reader}
        return jwe.encrypt_compact(header, msgspec.json.encode(part), self.public[reader])

    def open(self, sealed: Sequence[str]) -> dict[str, Any] | None:
        """The part sealed for this service, if there is one."""
        for part in sealed:
            if _reader(part) == self.service:
                try:
                    opened: dict[str, Any] = msgspec.json.decode(
                        jwe.decrypt_compact(part, self.private).plaintext or b""
                    )
                except (JoseError, msgspec.DecodeError, ValueError):
                    return None
                return opened
        return None

    def encrypt(self, plain: bytes) -> bytes:
        """AES-GCM under this service's own key: nonce, then ciphertext."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.documents).encrypt(nonce, plain, None)

    def decrypt(self, secret: bytes) -> bytes:
        return AESGCM(self.documents).decrypt(secret[:_NONCE_BYTES], secret[_NONCE_BYTES:], None)


def _hmac(key: bytes, program: str, identifier: Identifier) -> str:
    text = f"{program}|{identifier.system.strip()}|{identifier.value.strip()}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _reader(part: str) -> str | None:
    headers = part.split(".", 1)[0]
    try:
        header = json.loads(urlsafe_b64decode(headers + "=" * (-len(headers) % 4)))
    except ValueError:
        return None
    return str(header.get("kid"))


def column(digest: Digest) -> str:
    """A digest as the alias table holds it."""
    return f"{digest.key_id}:{digest.value}"


# The existing patient wins, or two posts of one MRN at the same moment make two patients.
_LEARN = """INSERT INTO alias AS a (program, digest, patient) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
    ON CONFLICT (program, digest) DO UPDATE SET patient = excluded.patient WHERE a.patient = ''"""
# A fact that waits leaves an alias of nobody: the unique index lets whoever learns it and whoever waits meet.
_EXPECT = """INSERT INTO alias (program, digest, patient) SELECT u.*, '' FROM unnest($1::text[], $2::text[]) u
    ON CONFLICT DO NOTHING"""
_RESOLVE = "SELECT DISTINCT patient FROM alias WHERE program = $1 AND digest = ANY($2::text[]) AND patient <> ''"
_KNOWN = "SELECT EXISTS (SELECT 1 FROM alias WHERE program = $1 AND patient = $2)"
# Facts waiting for these digests, with every other digest they waited under.
_WAITED = """SELECT w.id, w.program, w.digest, w.producer, w.content, w.resources, w.at, w.sequence
    FROM waiting w JOIN unnest($1::text[], $2::text[]) AS u(program, digest)
    ON w.program = u.program AND w.digest = u.digest ORDER BY w.sequence"""
_MATCHED = "DELETE FROM waiting WHERE id = ANY($1::uuid[])"
_WAIT = """INSERT INTO waiting (id, program, digest, producer, content, resources, at)
    SELECT $1, u.program, u.digest, $4, $5, $6, $7 FROM unnest($2::text[], $3::text[]) AS u(program, digest)
    ON CONFLICT DO NOTHING"""
_TAKEN = "UPDATE documents SET unmatched = false WHERE id = ANY($1::uuid[])"


async def resolve(connection: Connection, program: str, digests: Sequence[Digest]) -> set[str]:
    """The patients these identifiers belong to: none, one, or (a person must look) several."""
    rows = await connection.fetch(_RESOLVE, program, [column(each) for each in digests])
    return {row["patient"] for row in rows}


async def is_known(connection: Connection, program: str, patient: str) -> bool:
    known: bool = await connection.fetchval(_KNOWN, program, patient)
    return known


async def bind(connection: Connection, program: str, digests: Sequence[Digest], patient: str) -> set[str]:
    """Bind identifiers to a patient, unless they already belong to one. Returns whose they are now."""
    columns = sorted({column(each) for each in digests})
    await connection.execute(_LEARN, [program] * len(columns), columns, [patient] * len(columns))
    return await resolve(connection, program, digests)


async def learn(
    connection: Connection, identified: Sequence[Delivery], service: Service
) -> dict[int, tuple[Delivery, ...]]:
    """Learn the aliases of each PatientIdentified; what follows it at once, by the item's identity.

    Facts that waited for one of its identifiers are told now, in the order in which they came.
    """
    first: dict[tuple[str, str], str] = {}
    for delivery in identified:
        if isinstance(delivery.event, PatientIdentified):
            for digest in delivery.event.digests:
                first.setdefault((delivery.program, column(digest)), delivery.key)
    rows = sorted((program, digest, patient) for (program, digest), patient in first.items())
    if rows:
        await connection.execute(_LEARN, *(list(each) for each in zip(*rows, strict=True)))
    waited = await connection.fetch(_WAITED, [row[0] for row in rows], [row[1] for row in rows]) if rows else []
    if waited:
        ids = [row["id"] for row in waited]
        await connection.execute(_MATCHED, ids)
        await connection.execute(_TAKEN, ids)
    followers: dict[int, tuple[Delivery, ...]] = {}
    for delivery in identified:
        followers[id(delivery)] = (*_contact(delivery, service), *_waiting_deliveries(delivery, waited, service))
    return followers


def _contact(delivery: Delivery, service: Service) -> tuple[Delivery, ...]:
    """Where the service keeps contact data: the Patient, sealed at rest, and the coarse part as a internal event."""
    if service.keys is None or not service.stores_contact or not isinstance(delivery.event, PatientIdentified):
        return ()
    opened = service.keys.open(delivery.event.sealed)
    if opened is None:
        return ()
    contact = ContactKnown(area=opened.get("area"), language=opened.get("language"))
    patient = sealed_patient(service.keys, delivery.key, opened.get("patient", {}))
    return (
        Delivery(
            id=uuid5(delivery.id, "contact"),
            key=delivery.key,
            program=delivery.program,
            kind="internal",
            at=delivery.at,
            by=service.name,
            correlation_id=delivery.correlation_id,
            event=contact,
            accepted=(patient,),
            deduplicate=False,
        ),
    )


def sealed_patient(keys: Keys, patient: str, body: Mapping[str, Any]) -> AcceptedResource:
    """A Patient as `resources` keeps it: encrypted, for it carries direct identifiers."""
    plain = msgspec.json.encode({**body, "resourceType": "Patient", "id": patient})
    return AcceptedResource("Patient", patient, b64encode(keys.encrypt(plain)).decode(), sealed=True)


def _waiting_deliveries(
    delivery: Delivery, waited: Sequence[Mapping[str, Any]], service: Service
) -> tuple[Delivery, ...]:
    if not isinstance(delivery.event, PatientIdentified):
        return ()
    own = {column(each) for each in delivery.event.digests}
    rows = {row["id"]: row for row in waited if row["program"] == delivery.program and row["digest"] in own}
    return tuple(_waited(row, delivery.key, service) for row in rows.values())


def _waited(row: Mapping[str, Any], patient: str, service: Service) -> Delivery:
    commands = msgspec.json.decode(row["content"], type=tuple[service.commands, ...])  # type: ignore[name-defined]
    return Delivery(
        id=row["id"],
        key=patient,
        program=row["program"],
        kind="commanded",
        at=row["at"],
        by=row["producer"],
        correlation_id=row["id"],
        commands=tuple(msgspec.structs.replace(each, matched=True) for each in commands),
        accepted=tuple(
            _of_patient(each, patient)
            for each in msgspec.json.decode(row["resources"], type=tuple[AcceptedResource, ...])
        ),
        deduplicate=False,
    )


def _of_patient(each: AcceptedResource, patient: str) -> AcceptedResource:
    """A resource that waited without a subject has one now. Put in as text: the rest stays as it came."""
    if '"subject":' in each.body:
        return each
    subject = f'{{"subject":{{"reference":"Patient/{patient}"}},'
    return msgspec.structs.replace(each, body=subject + each.body.removeprefix("{"))


async def wait(connection: Connection, delivery: Delivery, programs: Mapping[str, Sequence[Digest]]) -> bool:
    """Keep a fact whose patient nobody knows yet, under every identifier and program it may belong to.

    False, and nothing is stored, where the patient has become known meanwhile: then tell it.
    """
    pairs = sorted({(program, column(each)) for program, digests in programs.items() for each in digests})
    columns = [program for program, _ in pairs], [digest for _, digest in pairs]
    await connection.execute(_EXPECT, *columns)
    for program, digests in programs.items():
        if await resolve(connection, program, digests):
            return False
    await connection.execute(
        _WAIT,
        delivery.id,
        *columns,
        delivery.by,
        msgspec.json.encode(delivery.commands).decode(),
        msgspec.json.encode(delivery.accepted).decode(),
        delivery.at,
    )
    return True
