"""Who calls: the caller a bearer token names. Nothing is anonymous, not even a read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError

from shared.edge.issuers import Issuer, PublicKeys
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.platform.clients import RegisteredClient
from shared.platform.clock import machine_now
from shared.platform.issuers import NamedIssuer
from shared.platform.scopes import OWN_SCOPES, SCOPE
from shared.rules.staff import Staff, member

_BEARER = {"WWW_Authenticate": "Bearer"}
_LEEWAY_SECONDS = 10
TOKEN_SECONDS_MOST = 3600
TYPES = frozenset({"JWT", "AT+JWT"})
"""What a token may say it is, in any case; one may leave it out. An id token or an assertion is no access token."""
_PRACTITIONER = "Practitioner/"


@dataclass(frozen=True)
class Caller:
    """A client, for one program, with the scopes of its token: `system/Task.cruds`, of a person `user/Task.cruds`."""

    name: str
    client: RegisteredClient
    program: str
    scopes: tuple[tuple[str, str], ...]
    person: str = ""
    """The member of the program's staff for whom it acts; empty where it names nobody."""
    proved: bool = True
    """Whether the token, or a link that reaches one person, says so; a link that several share only states it."""

    def may(self, type_: str, interaction: str) -> bool:
        wanted = (type_,) if type_ in OWN_SCOPES else ("*", type_)
        return any(kind in wanted and interaction in allowed for kind, allowed in self.scopes)

    def require(self, type_: str, interaction: str) -> None:
        """Refuse (403) what the token does not allow; `interaction` is one of c, r, u, d, s."""
        if not self.may(type_, interaction):
            raise refuse(403, "forbidden", "", f"The token lacks the scope system/{type_}.{interaction}.")


class TokenVerifier:
    """Checks bearer tokens against the keys of the issuer that they name."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        clients: Mapping[str, RegisteredClient],
        staff: Mapping[str, Staff] | None = None,
        others: Iterable[NamedIssuer] = (),
        service: str = "",
    ) -> None:
        """`issuer` is the hub's own, `others` those of clients.toml; `staff` per program: for whom a client may act;
        `service` whose verifier this is."""
        own = Issuer(issuer, audience, PublicKeys(f"{issuer}/jwks.json"))
        self._issuers = {each.url: each for each in (own, *map(Issuer.of, others))}
        self._clients = clients
        self._staff = staff or {}
        self._service = service
        self._seen: dict[str, tuple[float, Caller]] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """Who calls. Raises HttpRefusal 401 without a valid token, 403 where its issuer may not speak for its client or
        person, or its client is not registered for this service, 503 while the issuer can't be reached."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise refuse(401, "login", "", "A bearer token is required.", **_BEARER)
        now = machine_now().timestamp()
        known = self._seen.get(token)
        if known is not None and known[0] > now:
            return known[1]
        issuer, claims = await self._claims(token)
        expires = _valid_until(claims, now)
        _require_addressed(claims, issuer)
        caller = self._registered(claims, issuer)
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[token] = (expires, caller)
        return caller

    def _registered(self, claims: Json, issuer: Issuer) -> Caller:
        name = str(claims.get("client_id") or claims.get("sub", ""))
        client = self._clients.get(name)
        if client is None:
            raise refuse(401, "login", "", "The client is not registered for this program (clients.toml).", **_BEARER)
        if client.services and self._service not in client.services:
            raise refuse(403, "forbidden", "", "The client is not registered for this service (clients.toml).")
        program = _program(claims, issuer, name, client)
        person = self._person(claims, issuer, client, program)
        asked = str(claims.get("scope", "")).split()
        of_caller = tuple(each.replace("user/", "system/", 1) if person else each for each in asked)
        opened = issuer.scopes_of(client, of_caller)
        scopes = tuple((found[1], found[2]) for each in opened if (found := SCOPE.fullmatch(each)))
        return Caller(name, client, program, scopes, person)

    def _person(self, claims: Json, issuer: Issuer, client: RegisteredClient, program: str) -> str:
        """The member of staff whose token this is: who `fhirUser` (SMART) is, else `sub` beside a `client_id` (RFC
        9068); empty for a client's own. Refuse (403) anybody else: a patient, or who is nobody of this program's."""
        user = claims.get("fhirUser") if issuer.person_claim != "sub" else None
        subject = claims.get("sub")
        if user is None and (issuer.person_claim == "fhirUser" or claims.get("client_id") in (None, subject)):
            return ""
        names = issuer.names_of(str(subject)) if user is None else (_practitioner(str(user), client),)
        found = next((each for name in names if (each := member(self._staff.get(program, {}), name))), None)
        if found is None:
            text = "The person of the token must be a member of the program's staff (program.toml)."
            raise refuse(403, "forbidden", "", text)
        return found

    async def _claims(self, token: str) -> tuple[Issuer, Json]:
        """Whose token it is, and what it claims; it is right once the issuer's key has signed it."""
        kid, stated = _stated(token)
        issuer = self._issuers.get(stated)
        if issuer is None:
            raise refuse(
                401, "login", "", "The token must be of an issuer of clients.toml, or the hub's own.", **_BEARER
            )
        try:
            decoded = jwt.decode(token, await issuer.keys.with_key(kid), algorithms=["ES256", "RS256", "ES384"])
        except OSError as error:
            raise refuse(503, "transient", "", "The token issuer can't be reached.", Retry_After="5") from error
        except (JoseError, ValueError):
            raise refuse(401, "login", "", "The token must be signed by its issuer.", **_BEARER) from None
        if str(decoded.header.get("typ", "JWT")).upper().removeprefix("APPLICATION/") not in TYPES:
            raise refuse(401, "login", "", "The token must be an access token: its typ JWT or at+jwt.", **_BEARER)
        return issuer, dict(decoded.claims)


class _Stated(msgspec.Struct, frozen=True):
    iss: str = ""


def _stated(token: str) -> tuple[str | None, str]:
    """The id of the key, and the issuer, that a token states: whose keys to ask, and no more. Refuse (401) what is no
    token."""
    try:
        parts = jws.extract_compact(token.encode())
        kid, stated = parts.headers().get("kid"), msgspec.json.decode(parts.payload, type=_Stated)
    except (JoseError, ValueError):
        raise refuse(401, "login", "", "The bearer token must be a signed JWT.", **_BEARER) from None
    return None if kid is None else str(kid), stated.iss


def _require_addressed(claims: Json, issuer: Issuer) -> None:
    """Refuse (401) what is for another audience."""
    audience = claims.get("aud")
    if issuer.audience not in (audience if isinstance(audience, list) else [audience]):
        raise refuse(401, "login", "", "The token must be for this audience.", **_BEARER)


def _program(claims: Json, issuer: Issuer, name: str, client: RegisteredClient) -> str:
    """The program that the token names, else the client's first. Refuse 403 where the issuer may not speak for the
    client, 401 where it has not this program."""
    programs = issuer.programs_of(name, client)
    program = str(claims.get("program") or "".join(programs[:1]))
    if program in programs:
        return program
    if issuer.named is None:
        raise refuse(401, "login", "", "The client is not registered for this program (clients.toml).", **_BEARER)
    raise refuse(403, "forbidden", "", "The issuer may not speak for this client, in this program (clients.toml).")


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
