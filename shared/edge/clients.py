"""Who calls: the caller a bearer token names. Nothing is anonymous, not even a read."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.path.outbound.http import fetch_json
from shared.platform.clients import RegisteredClient
from shared.platform.clock import machine_now, ticks
from shared.rules.staff import Staff, member

_BEARER = {"WWW_Authenticate": "Bearer"}
_LEEWAY_SECONDS = 10
_JWKS_SECONDS = 300.0
OWN_SCOPES = frozenset({"iop-parked"})
"""What is no resource of FHIR: `system/*` never covers it."""
TOKEN_SECONDS_MOST = 3600
TYPES = frozenset({"JWT", "AT+JWT"})
"""What a token may say it is, in any case; one may leave it out. An id token or an assertion is no access token."""
_SCOPE = re.compile(r"(system|user)/(\*|[A-Za-z][A-Za-z-]*)\.([cruds]+)")
_PRACTITIONER = "Practitioner/"


@dataclass(frozen=True)
class Caller:
    """A client, for one program, with the scopes of its token: `system/Task.cruds`, of a person `user/Task.cruds`."""

    name: str
    client: RegisteredClient
    program: str
    scopes: tuple[tuple[str, str], ...]
    person: str = ""
    """The member of the program's staff for whom it acts, proved by the token; empty where it names nobody."""

    def may(self, type_: str, interaction: str) -> bool:
        wanted = (type_,) if type_ in OWN_SCOPES else ("*", type_)
        return any(kind in wanted and interaction in allowed for kind, allowed in self.scopes)

    def require(self, type_: str, interaction: str) -> None:
        """Refuse (403) what the token does not allow; `interaction` is one of c, r, u, d, s."""
        if not self.may(type_, interaction):
            raise refuse(403, "forbidden", "", f"The token lacks the scope system/{type_}.{interaction}.")


class TokenVerifier:
    """Checks bearer tokens against the issuer's keys, which are fetched again when an unknown key signs."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        clients: Mapping[str, RegisteredClient],
        staff: Mapping[str, Staff] | None = None,
    ) -> None:
        """`staff` per program: for whom a client may act."""
        self._issuer = issuer
        self._audience = audience
        self._clients = clients
        self._staff = staff or {}
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._seen: dict[str, tuple[float, Caller]] = {}
        self._fetching = asyncio.Lock()

    async def caller(self, authorization: str | None) -> Caller:
        """Who calls. Raises HttpRefusal 401 without a valid token, 503 while the issuer can't be reached."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise refuse(401, "login", "", "A bearer token is required.", **_BEARER)
        now = machine_now().timestamp()
        known = self._seen.get(token)
        if known is not None and known[0] > now:
            return known[1]
        claims = await self._claims(token)
        expires = _valid_until(claims, now)
        self._require_addressed(claims)
        caller = self._registered(claims)
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[token] = (expires, caller)
        return caller

    def _require_addressed(self, claims: Json) -> None:
        """Refuse (401) what another issuer gave out, or for another audience."""
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self._issuer or self._audience not in audiences:
            raise refuse(401, "login", "", "The token must be for this issuer and audience.", **_BEARER)

    def _registered(self, claims: Json) -> Caller:
        name, program = str(claims.get("client_id") or claims.get("sub", "")), str(claims.get("program", ""))
        client = self._clients.get(name)
        if client is None or program not in client.programs:
            raise refuse(401, "login", "", "The client is not registered for this program (clients.toml).", **_BEARER)
        person = self._person(claims, client, program)
        scopes = tuple(
            (found[2], found[3])
            for each in str(claims.get("scope", "")).split()
            if (found := _SCOPE.fullmatch(each)) and (found[1] == "system" or person)
        )
        return Caller(name, client, program, scopes, person)

    def _person(self, claims: Json, client: RegisteredClient, program: str) -> str:
        """The member of staff whose token this is: who `fhirUser` (SMART) is, else `sub` beside a `client_id` (RFC
        9068); empty for a client's own. Refuse (403) anybody else: a patient, or who is nobody of this program's."""
        user, subject = claims.get("fhirUser"), claims.get("sub")
        if user is None and claims.get("client_id") in (None, subject):
            return ""
        names = (str(subject), f"{self._issuer}|{subject}") if user is None else (_practitioner(str(user), client),)
        found = next((each for name in names if (each := member(self._staff.get(program, {}), name))), None)
        if found is None:
            text = "The person of the token must be a member of the program's staff (program.toml)."
            raise refuse(403, "forbidden", "", text)
        return found

    async def _claims(self, token: str) -> Json:
        for fresh in (False, True):
            try:
                decoded = jwt.decode(token, await self._key_set(fresh), algorithms=["ES256", "RS256", "ES384"])
            except (JoseError, ValueError):
                continue
            if str(decoded.header.get("typ", "JWT")).upper().removeprefix("APPLICATION/") not in TYPES:
                raise refuse(401, "login", "", "The token must be an access token: its typ JWT or at+jwt.", **_BEARER)
            return dict(decoded.claims)
        raise refuse(401, "login", "", "The token must be signed by the issuer.", **_BEARER)

    async def _key_set(self, fresh: bool) -> KeySet:
        async with self._fetching:
            age = ticks() - self._fetched_at
            if self._keys is None or age > _JWKS_SECONDS or (fresh and age > 1.0):
                try:
                    self._keys = KeySet.import_key_set(await fetch_json(f"{self._issuer}/jwks.json"))
                except OSError as error:
                    raise refuse(503, "transient", "", "The token issuer can't be reached.", Retry_After="5") from error
                self._fetched_at = ticks()
            return self._keys


def _practitioner(user: str, client: RegisteredClient) -> str:
    """A Practitioner of the client's own server, or of the one named, as the list of staff writes it; empty for anybody
    else, so that nobody is found."""
    base, found, identity = user.rpartition(_PRACTITIONER)
    return f"{base.rstrip('/') or client.base_url}|{_PRACTITIONER}{identity}" if found and identity else ""


def _valid_until(claims: Json, now: float) -> float:
    """When the token expires. Refuse (401) one that has, or that is not valid yet."""
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or expires + _LEEWAY_SECONDS <= now:
        raise refuse(401, "login", "", "The token has expired.", **_BEARER)
    if expires > now + TOKEN_SECONDS_MOST + _LEEWAY_SECONDS:
        raise refuse(401, "login", "", "The token must expire within an hour.", **_BEARER)
    if not isinstance(begins, int | float) or begins - _LEEWAY_SECONDS > now:
        raise refuse(401, "login", "", "The token is not valid yet.", **_BEARER)
    return float(expires)
