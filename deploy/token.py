"""Asking the issuer for a token the way a client does: with an assertion signed by its own key."""

from pathlib import Path

import httpx

from deploy import keys
from deploy.failure import CannotContinueError
from shared.platform.client_assertion import ASSERTION_TYPE, client_assertion

EVERYTHING = "system/*.cruds system/iop-parked.ru"


def fetch(
    issuer: str,
    folder: Path,
    client: str,
    program: str | None = None,
    scope: str = EVERYTHING,
    person: str | None = None,
) -> str:
    """A bearer token for `client`, whose private key lies in `folder/clients`.

    Args:
        issuer: the issuer's address.
        folder: the hub's folder of keys.
        client: its id in clients.toml.
        program: which of its programs; its first when None.
        scope: what to request; the issuer narrows it to what is registered.
        person: the member of the program's staff for whom the client acts; None for itself.

    Raises:
        CannotContinueError: unknown client, issuer unreachable, or refused.
    """
    private = folder / "clients" / f"{client}.private.json"
    if not private.exists():
        known = ", ".join(sorted(each.name.split(".")[0] for each in private.parent.glob("*.private.json")))
        raise CannotContinueError(f"CLIENT must be one whose key is in {private.parent}: {known}")
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": client_assertion(f"{issuer}/token", keys.read(private), client),
        "scope": scope,
        **({"program": program} if program else {}),
        **({"person": person} if person else {}),
    }
    token: str = _asked(f"{issuer}/token", form)["access_token"]
    return token


def _asked(address: str, form: dict[str, str]) -> dict[str, str]:
    try:
        answer = httpx.post(address, data=form, timeout=10.0, trust_env=False)
    except httpx.HTTPError as failure:
        raise CannotContinueError(f"the issuer at {address} does not answer ({type(failure).__name__})") from None
    stated: dict[str, str] = answer.json()
    if answer.status_code != 200:
        raise CannotContinueError(
            f"the issuer refused the request: {stated.get('error_description', answer.status_code)}"
        )
    return stated
