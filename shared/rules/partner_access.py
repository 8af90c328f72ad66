"""How the hub proves to a partner who it is: files by their path, and a token server. What stands in a file is read
when it is needed, and is never part of this."""

from collections.abc import Callable

import msgspec

_TOKEN = ("token_url", "client_id", "scope", "signing_key_file")
_SECRET = ("bearer_file", "signing_key_file", "key_file")
_FILES = (*_SECRET, "cert_file", "ca_file")


class Access(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one partner, the table `access` in partners.toml. Nothing of it: the hub does not prove who it is."""

    bearer_file: str = ""
    """Holds a token that the partner gave, sent with every request."""
    token_url: str = ""
    """Of the token server at which a client assertion buys short tokens (SMART Backend Services)."""
    client_id: str = ""
    scope: str = ""
    signing_key_file: str = ""
    """A private key as JWK (P-384, with its `kid`), which signs the assertions; the partner has the public part."""
    cert_file: str = ""
    """The hub's certificate for mutual TLS, in PEM."""
    key_file: str = ""
    """That certificate's private key, in PEM and without a password."""
    ca_file: str = ""
    """The authority of the partner's certificate, in PEM, instead of those that are trusted everywhere."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The files that nobody but their owner may read."""
        return tuple(getattr(self, name) for name in _SECRET if getattr(self, name))

    def with_paths(self, path: Callable[[str], str]) -> "Access":
        """With each file's path as this makes it."""
        return msgspec.structs.replace(self, **{n: path(getattr(self, n)) for n in _FILES if getattr(self, n)})


NO_ACCESS = Access()


def require_whole(access: Access) -> Access:
    """One way at most to be known by a token, and all that it takes. Raises ValueError."""
    lacking = [name for name in _TOKEN if not getattr(access, name)]
    if 0 < len(lacking) < len(_TOKEN):
        raise ValueError(f"access.{lacking[0]} is missing: a token server needs {', '.join(_TOKEN)}")
    if access.bearer_file and access.token_url:
        raise ValueError("access.bearer_file and access.token_url exclude each other")
    if bool(access.cert_file) != bool(access.key_file):
        raise ValueError("access.cert_file and access.key_file are needed together")
    return access
