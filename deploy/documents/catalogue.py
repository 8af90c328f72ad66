"""The catalogue of events as a table."""

from deploy.documents.tables import table as markdown
from shared.events.catalogue import ENTRIES, CatalogueEntry

COLUMNS = ("emitted by", "event", "topic", "FHIR focus first", "consumed by")


def table() -> str:
    """One row an event: who emits it, on which topic, its FHIR, and who consumes it."""
    return markdown(COLUMNS, [_row(entry) for entry in ENTRIES])


def _row(entry: CatalogueEntry) -> tuple[str, ...]:
    return entry.producer, entry.event.__name__, f"`{entry.topic}`", entry.focus, ", ".join(entry.consumers)
