"""What attendance's resources speak of, as FHIR: the scripts, and the code systems of sessions and groups."""

from collections.abc import Mapping

from services.attendance import scripts
from shared.edge.definitions import by_name, code_system
from shared.events import codes, fhir
from shared.platform.scripts import plans

DISPLAYS: Mapping[str, Mapping[str, str]] = {
    codes.SESSION: {
        "group": "Group counseling",
        "individual": "Individual counseling",
        "family": "Family counseling",
        "workshop": "Workshop",
        "psychoeducation": "Psychoeducational group",
        "skills": "Skills group",
        "relapse-prevention": "Relapse prevention group",
        "refusal-training": "Refusal training group",
    },
    codes.MODALITY: {"in-person": "In person", "video": "By video", "phone": "By phone"},
    codes.ATTENDANCE: {"late": "Came late", "partial": "Attended in part"},
    codes.GROUP_TRAIT: {
        "time": "Time of day",
        "track": "Track of the plan of care",
        "literacy": "Reading and writing",
        "language": "Language",
        "gender": "Gender",
        "modality": "How patients take part",
        "seats": "Number of seats",
        "closed": "Nobody joins from this day on",
    },
    codes.GROUP_TIME: {"day": "By day", "evening": "In the evening"},
    codes.GROUP_CHOICE: {
        "individual-therapy": "Individual therapy for the same hours, no group",
        "leave": "No group until somebody chooses again",
        "any": "The group that the hub chooses",
    },
}
"""Of each code of each system, in plain English."""


def definitions() -> dict[tuple[str, str], fhir.Element]:
    """By type and id, with a version of its own for each content."""
    return by_name([*plans(scripts.TABLE), *(code_system(url, displays) for url, displays in DISPLAYS.items())])
