"""How the edge refuses: issues, the refusal that carries them, and the OperationOutcome they become.

A diagnostic names a place and a rule, never the value that was found there: the value may identify a patient.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from shared.edge.json import MutableJson

__all__ = ["Code", "HttpRefusal", "Issue", "Severity", "fault", "outcome", "refuse"]

Severity = Literal["fatal", "error", "warning", "information"]

# http://hl7.org/fhir/R4/valueset-issue-type.html
Code = Literal[
    "invalid", "structure", "required", "value", "invariant",
    "security", "login", "unknown", "expired", "forbidden", "suppressed",
    "processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long",
    "code-invalid", "extension", "too-costly", "business-rule", "conflict",
    "transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled",
    "informational",
]  # fmt: skip


class Issue(msgspec.Struct, frozen=True):
    """One thing wrong with a request: `code` is FHIR's issue-type, `expression` the FHIRPath of each place."""

    severity: Severity
    code: Code
    expression: tuple[str, ...]
    diagnostics: str


class HttpRefusal(Exception):
    """The request is refused. Carries the HTTP status, the issues and headers such as `Retry-After` (seconds)."""

    def __init__(self, status: int, issues: Sequence[Issue], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, tuple(issues))
        self.status = status
        self.issues = tuple(issues)
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.status}: " + "; ".join(f"{issue.code} at {', '.join(issue.expression)}" for issue in self.issues)


def fault(code: Code, expression: str, diagnostics: str) -> Issue:
    """An issue of severity error at one place; an empty `expression` means the request as a whole."""
    return Issue("error", code, (expression,) if expression else (), diagnostics)


def refuse(status: int, code: Code, expression: str, diagnostics: str, **headers: str) -> HttpRefusal:
    """A refusal with a single issue; `Retry_After="5"` becomes the header `Retry-After`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRefusal(status, (fault(code, expression, diagnostics),), named)


def outcome(issues: Sequence[Issue]) -> MutableJson:
    """The OperationOutcome of these issues; without any, the one that says all is well."""
    listed = issues or (Issue("information", "informational", (), "All is well."),)
    return {"resourceType": "OperationOutcome", "issue": [_written(issue) for issue in listed]}


def _written(issue: Issue) -> MutableJson:
    place = {"expression": list(issue.expression)} if issue.expression else {}
    return {"severity": issue.severity, "code": issue.code, "diagnostics": issue.diagnostics, **place}
