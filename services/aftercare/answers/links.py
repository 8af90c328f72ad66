"""Where a partner answers its referral: the address of the Task, for its client, and a link for whoever has none.

The link, `{public url}/r/{token}`, is a handle by which the Task is found and a secret of 256 bits. Both are made of
the Task's id by the service's own key: nothing of it is stored, each sending has the same one, and nobody can make
either of the id. A handle that was guessed is the id of nothing.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.events import codes, fhir
from shared.platform.keys import Keys

PATH = "/r/"
ANSWER_AT, ANSWER_LINK = "answer-at", "answer-link"
_HANDLE_LETTERS = 22
_TOKEN = re.compile(r"[A-Za-z0-9_-]{65}")
_PURPOSE = b"answer-link"


@dataclass(frozen=True)
class AnswerLinks:
    """`base` is the address of the service for those outside."""

    base: str
    keys: Keys

    def inputs(self, task_id: str) -> list[dict[str, Any]]:
        """Of the Task that a partner is sent: where it answers, by its client or in a browser."""
        addresses = {ANSWER_AT: f"{self.base}/fhir/Task/{task_id}", ANSWER_LINK: self.url(task_id)}
        return [{"type": fhir.concept(codes.INPUT, name), "valueUrl": each} for name, each in addresses.items()]

    def url(self, task_id: str) -> str:
        return f"{self.base}{PATH}{self.token(task_id)}"

    def token(self, task_id: str) -> str:
        return f"{_text(self.keys.cover(UUID(task_id).bytes, _PURPOSE))}{self._secret(task_id)}"

    def task_of(self, token: str) -> str | None:
        """The id of the Task it would be about; None for what has not the form of a token."""
        if not _TOKEN.fullmatch(token):
            return None
        covered = urlsafe_b64decode(f"{token[:_HANDLE_LETTERS]}==")
        return str(UUID(bytes=self.keys.uncover(covered, _PURPOSE)))

    def is_secret_of(self, token: str, task_id: str) -> bool:
        """Whether it ends with this Task's secret, compared in constant time."""
        return hmac.compare_digest(token[_HANDLE_LETTERS:], self._secret(task_id))

    def _secret(self, task_id: str) -> str:
        return _text(self.keys.derive(_PURPOSE, UUID(task_id).bytes))


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
