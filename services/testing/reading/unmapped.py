"""Which results wait until a person says what their code means, each under a name of its own. Pure.

The same result has the same name however often it comes: repeated, corrected, or in a message of another number.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID, uuid5

from services.testing.reading.laboratory import REPORTS, LaboratoryReport, report_name
from services.testing.reading.measures import questioned
from services.testing.settings import Settings


def waiting_by_code(
    reports: Iterable[LaboratoryReport], program: str, client: str, settings: Settings
) -> Mapping[str, tuple[UUID, ...]]:
    """By each code that nothing maps, its results in what was received at once: by report and OBX-4, and where that is
    alike by their order."""
    alike = Counter[str]()
    found: dict[str, tuple[UUID, ...]] = {}
    for report in reports:
        for code, component in questioned(report, client, settings):
            name = f"{program}|{client}|{report_name(report)}|{code}|{component.sub}"
            found[code] = (*found.get(code, ()), uuid5(REPORTS, f"{name}|{alike[name]}"))
            alike[name] += 1
    return found
