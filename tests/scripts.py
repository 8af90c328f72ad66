"""What no script may tell a stranger, whichever service reads it out."""

import re

TELLING = (
    *("program", "iop", "intensive", "outpatient", "inpatient", "clinic", "center", "hospital", "facility", "counsel"),
    *("treat", "therap", "rehab", "detox", "medicat", "methadone", "buprenorphine", "suboxone", "naltrexone", "dose"),
    *("addict", "substance", "alcohol", "drink", "drug", "opioid", "heroin", "cocaine", "disorder", "diagnos"),
    *(
        "recover",
        "sober",
        "clean",
        "relapse",
        "craving",
        "abus",
        "abstinen",
        "overdose",
        "suicid",
        "mental",
        "patients",
    ),
    *(
        "test",
        "result",
        "positive",
        "negative",
        "screen",
        "urine",
        "specimen",
        "lab",
        "group",
        "session",
        "appointment",
    ),
    *("discharge", "court", "probation", "consequence", "warning", "must", "failed", "appointment"),
)
"""Beginnings of words that would tell of a program, a disorder, a treatment or a result, or that blame."""


def telling(text: str) -> list[str]:
    """What a stranger would learn from it, the gaps left out."""
    found = re.findall(r"[a-z]+", re.sub(r"\{[a-z]+\}", "", text.lower()))
    return sorted({each for each in found if each.startswith(TELLING)})
