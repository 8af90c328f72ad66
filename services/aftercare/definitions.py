"""What aftercare's resources speak of, as FHIR: the scripts, and what a patient may answer and wish."""

from collections.abc import Mapping
from pathlib import Path

from services.aftercare.activities import TABLE as ACTIVITIES
from shared.edge.definitions import by_name, code_system
from shared.events import codes, fhir
from shared.events.escalation import CONTACT_SCRIPTS
from shared.platform.scripts import plans, read

FILE = Path(__file__).parent / "data" / "scripts.toml"
TABLE = read(FILE, CONTACT_SCRIPTS)
WISHES: Mapping[str, str] = {
    "attendance-proof": "Meetings that sign a proof of attendance",
    "evening": "Meetings in the evening",
    "lgbtq": "Meetings for LGBTQ people",
    "men": "Meetings for men",
    "no-preference": "No wish any more",
    "online": "Meetings that one takes part in from afar",
    "secular": "Meetings without prayer",
    "wheelchair": "Places that a wheelchair can enter",
    "women": "Meetings for women",
    "young-people": "Meetings for young people",
}
"""What a patient may wish of a meeting list, beside a fellowship and a language, in plain English."""
FELLOWSHIPS: Mapping[str, str] = {
    "aa": "Alcoholics Anonymous",
    "celebrate-recovery": "Celebrate Recovery",
    "lifering": "LifeRing Secular Recovery",
    "na": "Narcotics Anonymous",
    "recovery-dharma": "Recovery Dharma",
    "smart": "SMART Recovery",
    "women-for-sobriety": "Women for Sobriety",
}
ANSWERS: Mapping[str, str] = {
    "abstinent": "Abstinence: no use since the last contact",
    "using": "Abstinence: has used since the last contact",
    "safe": "Safety: feels safe",
    "in-crisis": "Safety: in danger or in crisis now",
    "housed": "Housing: a home of their own, or with others",
    "recovery-residence": "Housing: a recovery residence",
    "housing-at-risk": "Housing: may lose it soon",
    "without-housing": "Housing: has none",
    "employed": "Work: employed",
    "in-education": "Work: at school or in training",
    "seeking-work": "Work: looks for it",
    "not-working": "Work: none, and looks for none",
    "in-care": "Care: goes to a provider",
    "not-in-care": "Care: goes to no provider",
    "not-stated": "Asked, and not answered",
    "uncoded": "Answered in words that are no code",
}
"""Of each code in plain English."""


def definitions() -> dict[tuple[str, str], fhir.Element]:
    """By type and id, with a version of its own for each content."""
    activities = {each.code: each.display for each in ACTIVITIES.values()}
    spoken_of = {
        codes.CONTACT: ANSWERS,
        codes.AFTERCARE: activities,
        codes.MEETING_WISH: WISHES,
        codes.FELLOWSHIP: FELLOWSHIPS,
    }
    return by_name([*plans(TABLE), *(code_system(url, displays) for url, displays in spoken_of.items())])
