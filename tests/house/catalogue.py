"""The README's catalogue table, made from the code: `python -m tests.house.catalogue` prints it."""

import sys

from shared.events.catalogue import ENTRIES, CatalogueEntry


def table() -> str:
    """One row an event: who emits it, on which topic, its FHIR, and who consumes it."""
    head = "| emitted by | event | topic | FHIR focus first | consumed by |\n|---|---|---|---|---|"
    return "\n".join([head, *map(_row, ENTRIES)])


def _row(entry: CatalogueEntry) -> str:
    consumed = ", ".join(entry.consumers)
    return f"| {entry.producer} | {entry.event.__name__} | `{entry.topic}` | {entry.focus} | {consumed} |"


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
