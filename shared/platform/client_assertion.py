"""A client's assertion, by which it asks a token server for a token (RFC 7523, SMART Backend Services)."""

from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import ECKey

from shared.platform.clock import machine_now

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHM, CURVE = "ES384", "P-384"
ASSERTION_SECONDS = 60


def client_assertion(audience: str, key: ECKey, client: str) -> str:
    """Signed by the client's private key, valid for one minute (machine time) and one use."""
    ends = int(machine_now().timestamp()) + ASSERTION_SECONDS
    claims = {"iss": client, "sub": client, "aud": audience, "exp": ends, "jti": str(uuid4())}
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"}, claims, key, algorithms=[ALGORITHM])
