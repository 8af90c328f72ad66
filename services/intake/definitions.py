"""What the recommendations speak of, as FHIR: the rule table, the hub's code systems, and a map to a public one.

Made of the tables that decide, so nothing stands twice.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec

from services.intake.placement.levels import LEVELS
from services.intake.placement.reasons import ENHANCED, PRESCRIBER
from services.intake.placement.recommendation import BOTH, OLD
from services.intake.table import TABLE, Rule
from shared.events import codes, fhir
from shared.events.intake import ACTIVITIES, DAYS, GOAL_AIMS, REFERRAL_REASONS, TOPICS
from shared.rules.staff import ROLES

COLORADO = "http://bha.colorado.gov/fhir/bha-ig/CodeSystem/bha-asam-level-of-care-cs"
EQUAL = ("2.1", "2.5", "3.1")
"""Colorado's codes are of the 3rd edition: these mean the same level here and there (domain 2.2). Its `1` is wider than
any level here, and its `3.7` is no 3.7 of the 4th edition."""
FURTHER_RULES = ("R0", "R15", "R18")
"""Rules that are code and no row of the table (domain 2.8)."""
DESCRIPTION = (
    "Combines stated needs, facts and scores into a recommendation; a licensed clinician signs. Beside these rows: R0"
    " (a need missing or too old, an age unknown or under 18: a person looks), R15 (no need above weekly support) and"
    " R18 (the patient declines)."
)
SOURCE = "domain 2.3, 2.8, 2.9; the clinical rules of the hub, docs/clinical-rules.md"


def definitions() -> dict[tuple[str, str], fhir.Element]:
    """By type and id."""
    systems = (_system(url, concepts) for url, concepts in _systems().items())
    made = [_plan(), *systems, _reasons(), _signing_reasons(), _map()]
    return {(each["resourceType"], each["id"]): each | {"meta": {"versionId": _digest(each)}} for each in made}


def _digest(resource: fhir.Element) -> str:
    """A version of its own for each content, by which a reader's copy is known to be the same."""
    return sha256(msgspec.json.encode(resource)).hexdigest()[:16]


def _plan() -> fhir.Element:
    """Each row of the table is an action: what it raises or adds, and the lines of which any holds."""
    return {
        **_canonical("PlanDefinition", codes.RULE_TABLE, "LevelOfCareRules", "Level-of-care rules of the IOP Hub"),
        "description": DESCRIPTION,
        "relatedArtifact": [
            {"type": "documentation", "display": SOURCE},
            {"type": "depends-on", "resource": codes.LEVEL},
        ],
        "action": [_action(each) for each in TABLE.rule],
    }


def _action(rule: Rule) -> fhir.Element:
    attested = [f"attested {rule.where}"] if rule.where else [f"not attested {rule.unless}"] if rule.unless else []
    level = f"{rule.dimension} {rule.level}" if rule.dimension else ""
    effect = ", ".join(each for each in (level, rule.condition or "") if each)
    return fhir.without_nothing(
        {
            "title": rule.id,
            "description": effect or "evidence only",
            "priority": "stat" if rule.safety else None,
            "code": [fhir.concept(codes.RULE, rule.id)],
            "condition": [
                {"kind": "applicability", "expression": {"language": "text/plain", "expression": each}}
                for each in (*attested, " | ".join(rule.when))
            ],
        }
    )


def _systems() -> dict[str, Iterable[str]]:
    severities = (name for each in TABLE.severity.values() for name in each)
    own = (each.condition for each in TABLE.rule if each.condition)
    combined = (PRESCRIBER, ENHANCED, BOTH, OLD, "biomedically-enhanced")
    scores = TABLE.evidence.scores
    return {
        codes.LEVEL: LEVELS,
        codes.NEED: TABLE.dimensions,
        codes.FACT: sorted({*TABLE.facts(), *TABLE.disorders(), *TABLE.derived, *scores}),
        codes.ANSWER: ("yes", "no", *severities),
        codes.RULE: sorted({*(each.id for each in TABLE.rule), *FURTHER_RULES}, key=lambda each: int(each[1:])),
        codes.CONDITION: (*own, *combined),
        codes.TRACK: (*(each.code for each in TABLE.track), "general"),
        codes.FLAG: (each.code for each in TABLE.flag),
        codes.DISPOSITION: codes.FHIR_DISPOSITION,
        codes.REFERRAL: (*REFERRAL_REASONS.values(), "completed", "not-completed"),
        codes.OWNER: sorted(ROLES),
        codes.GOAL_AIM: GOAL_AIMS,
        codes.ACTIVITY: ACTIVITIES,
        codes.TOPIC: TOPICS[1:],
        codes.COUNT: DAYS,
    }


def _reasons() -> fhir.Element:
    """Those that a person gives; what the hub itself writes into a reason is no answer of anybody's."""
    given = (codes.SIGNING_REASONS, codes.RESOLUTIONS, codes.HAND_OVER_REASONS, codes.REOPEN_REASONS)
    concepts = sorted(codes.SEND_AGAIN_REASONS.union(*given))
    return {**_system(codes.REASON, concepts), "content": "fragment"}


def _signing_reasons() -> fhir.Element:
    """The reasons for a signature among them."""
    concepts = [{"code": each} for each in sorted(codes.SIGNING_REASONS)]
    return {
        **_canonical("ValueSet", f"{codes.HUB}/ValueSet/signing-reason", "SigningReason", "Reasons for a signature"),
        "compose": {"include": [{"system": codes.REASON, "concept": concepts}]},
    }


def _system(url: str, concepts: Iterable[str]) -> fhir.Element:
    title = url.rpartition("/")[2]
    return {
        **_canonical("CodeSystem", url, "".join(each.title() for each in title.split("-")), title),
        "caseSensitive": True,
        "content": "complete",
        "concept": [{"code": each} for each in dict.fromkeys(concepts)],
    }


def _map() -> fhir.Element:
    url = f"{codes.HUB}/ConceptMap/level-of-care-colorado"
    elements: Iterator[fhir.Element] = (
        {"code": each, "target": [{"code": each, "equivalence": "equivalent"}]} for each in EQUAL
    )
    return {
        **_canonical("ConceptMap", url, "LevelOfCareColorado", "Level of care, to Colorado's behavioral health codes"),
        "description": "Only where the meaning is equal; Colorado's codes are of the 3rd edition.",
        "group": [{"source": codes.LEVEL, "target": COLORADO, "element": list(elements)}],
    }


def _canonical(kind: str, url: str, name: str, title: str) -> fhir.Element:
    return {
        "resourceType": kind,
        "id": url.rpartition("/")[2],
        "url": url,
        "version": TABLE.version,
        "name": name,
        "title": title,
        "status": "active",
        "publisher": "IOP Hub",
    }
