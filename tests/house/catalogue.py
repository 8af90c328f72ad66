"""The README's catalogue table, made from the code: `python -m tests.house.catalogue` prints it."""

import sys

from shared.words.catalogue import ENTRIES, Entry


def table() -> str:
    """One row a word: who says it, on which topic, its FHIR, and who hears it."""
    head = "| said by | word | topic | FHIR focus first | heard by |\n|---|---|---|---|---|"
    return "\n".join([head, *map(_row, ENTRIES)])


def _row(entry: Entry) -> str:
    heard = ", ".join(entry.heard_by)
    return f"| {entry.said_by} | {entry.word.__name__} | `{entry.topic}` | {entry.focus} | {heard} |"


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
