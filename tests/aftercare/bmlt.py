"""A BMLT root server, as far as whoever fetches a feed can see: whole, by service body, paged or not."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.publisher import Document, Publisher, Request

Row = dict[str, Any]


def row(number: int, **more: Any) -> Row:
    """One of GetSearchResults: every value is a string."""
    return {
        "id_bigint": str(number),
        "meeting_name": f"Meeting {number}",
        "weekday_tinyint": "2",
        "venue_type": "1",
        "start_time": "18:30:00",
        "duration_time": "01:00:00",
        "time_zone": "",
        "formats": "O",
        "format_shared_id_list": "1",
        "latitude": "40.7",
        "longitude": "-74.0",
        "location_street": "1 Main St",
        "location_municipality": "Riverbend",
        "location_province": "NY",
        "service_body_bigint": "3",
        "published": "1",
        **more,
    }


@dataclass
class RootServer:
    """`pages`: whether it knows `page_size`; one that does not gives everything each time."""

    publisher: Publisher
    rows: list[Row] = field(default_factory=list)
    pages: bool = True
    wrapped: bool = False

    @property
    def root(self) -> str:
        return f"{self.publisher.url}/main_server/"

    @property
    def asked(self) -> list[dict[str, list[str]]]:
        """The query of each request."""
        return [parse_qs(urlsplit(each.target).query) for each in self.publisher.requests]

    def open(self) -> "RootServer":
        self.publisher.anything = self._answer
        return self

    def _answer(self, request: Request) -> Document:
        query = parse_qs(urlsplit(request.target).query)
        match query.get("switcher"):
            case ["GetServerInfo"]:
                return self._written([{"version": "3.1.0", "langs": "en", "nativeLang": "en"}])
            case ["GetFormats"]:
                return self._written([{"id": "1", "key_string": "O", "world_id": "OPEN", "lang": "en"}])
            case ["GetSearchResults"]:
                found = self._page(query)
                return self._written({"meetings": found} if self.wrapped else found)
            case _:
                return Document(b"<html>", 404)

    def _page(self, query: dict[str, list[str]]) -> list[Row]:
        if not self.pages:
            return self.rows
        size, number = int(query["page_size"][0]), int(query["page_num"][0])
        return self.rows[size * (number - 1) : size * number]

    def _written(self, found: object) -> Document:
        return Document(json.dumps(found).encode())
