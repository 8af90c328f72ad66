"""A feed in the public Meeting Guide format (domain 6.4), read leniently: JSON, or a published sheet."""

from functools import partial

from services.aftercare.meetings import document, entry
from services.aftercare.meetings.collecting import collected
from services.aftercare.meetings.meeting import Feed, Source


def read(source: Source, content: bytes) -> Feed:
    """All meetings of a feed, and what became of each of its entries.

    Raises Unreadable when it holds no entries at all; the cached meetings then stay as they are.
    """
    return collected(document.entries(source.feed, content), partial(entry.read, source))
