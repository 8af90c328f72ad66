"""Where an answer stands: a resource (Type/id), as a state stores it, and as the key by which two are compared."""

from base64 import urlsafe_b64encode
from functools import lru_cache
from hashlib import blake2s

from shared.events.envelope import is_id
from shared.rules.packing import pack_id, unpack_id

_LETTERS = {"Observation": "O", "QuestionnaireResponse": "Q", "Condition": "C", "Patient": "P"}
_TYPES = {letter: type_ for type_, letter in _LETTERS.items()}
_PACKED = 23
"""Letters of a source whose reference is known again; a key has 8."""


@lru_cache(maxsize=4096)
def source_key(reference: str) -> str:
    """The short name of a source (Type/id) within one patient: 48 bits of its digest; empty for none."""
    return urlsafe_b64encode(blake2s(reference.encode(), digest_size=6).digest()).decode() if reference else ""


@lru_cache(maxsize=4096)
def stored_source(reference: str) -> str:
    """As a state holds it: so that its reference is known again, where its id is one that the hub gives; else its
    key."""
    type_, _, identity = reference.partition("/")
    letter = _LETTERS.get(type_)
    return f"{letter}{pack_id(identity)}" if letter and is_id(identity) else source_key(reference)


@lru_cache(maxsize=4096)
def reference_of(stored: str) -> str:
    """The reference of a stored source; empty where only its key is known, as of one that an older release stored."""
    return f"{_TYPES[stored[0]]}/{unpack_id(stored[1:])}" if len(stored) == _PACKED else ""


def key_of(stored: str) -> str:
    """The key of a stored source, whichever way it is stored."""
    return source_key(reference_of(stored)) if len(stored) == _PACKED else stored
