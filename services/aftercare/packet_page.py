"""The page of a printed referral: what a partner that is sent nothing is told, and where it answers. Text and a style,
no script, nothing from elsewhere. It is read from the Bundle that the gate permitted, and from nothing else. Pure."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from services.aftercare.answers.links import ANSWER_LINK
from shared.edge import page_html
from shared.events import codes, fhir
from shared.events.envelope import Resource

_STYLE = (
    "body{font:1.1rem sans-serif;margin:1.5rem;max-width:42rem}h2{font-size:1.2rem;margin:1rem 0 .3rem}"
    "p{margin:.2rem 0;overflow-wrap:anywhere}@media print{body{font-size:.9rem;margin:0}}"
)
HEADERS: Final = page_html.headers(_STYLE, "'none'")
TYPE: Final = "text/html; charset=utf-8"
_ADDRESS = ("city", "district", "state", "country")
_LINK = fhir.concept(codes.INPUT, ANSWER_LINK)


def written(bundle: Resource) -> bytes:
    """The page, UTF-8."""
    entries: list[dict[str, Any]] = bundle["entry"]  # type: ignore[assignment]
    named = {each["resource"]["resourceType"]: each["resource"] for each in entries}
    sections = {
        "Who is referred": _patient(named["Patient"]),
        "What for": _request(named["ServiceRequest"]),
        "Who refers": _organization(named["Organization"]),
        "How to answer": _answer(named["Task"]),
        "What the law says": _notice(named.get("Communication", {})),
    }
    texts = "".join(f"<h2>{heading}</h2>{_paragraphs(lines)}" for heading, lines in sections.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Referral</title><style>{_STYLE}</style></head><body><h1>Referral</h1>{texts}</body></html>\n"
    ).encode()


def _paragraphs(lines: Iterator[str]) -> str:
    return "".join(f"<p>{escape(each)}</p>" for each in lines)


def _patient(patient: Mapping[str, Any]) -> Iterator[str]:
    for name in patient.get("name", ()):
        parts = (*name.get("prefix", ()), *name.get("given", ()), name.get("family"))
        yield f"Name: {name.get('text') or ' '.join(each for each in parts if each)}"
    for phone in patient.get("telecom", ()):
        yield f"Phone: {phone['value']}"
    for address in patient.get("address", ()):
        yield f"Lives in: {', '.join(address[each] for each in _ADDRESS if each in address)}"


def _request(request: Mapping[str, Any]) -> Iterator[str]:
    yield f"Kind of referral: {_words(request['code'])}"
    yield f"Purpose: {_words(request['reasonCode'][0])}"
    yield f"To: {request['performer'][0]['identifier']['value']}"
    yield f"Number of the referral: {request['identifier'][0]['value']}"


def _organization(organization: Mapping[str, Any]) -> Iterator[str]:
    yield str(organization["name"])
    for contact in organization.get("telecom", ()):
        yield str(contact["value"])


def _answer(task: Mapping[str, Any]) -> Iterator[str]:
    yield "Call the program, or open this address in a browser. Whoever has it can answer: do not pass it on."
    yield next(each["valueUrl"] for each in task["input"] if each["type"] == _LINK)


def _notice(notice: Mapping[str, Any]) -> Iterator[str]:
    return (str(each["contentString"]) for each in notice.get("payload", ()))


def _words(concept: Mapping[str, Any]) -> str:
    coding = concept["coding"][0]
    return str(coding.get("display") or coding["code"].replace("-", " "))
