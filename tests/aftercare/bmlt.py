"""A BMLT root server, as far as whoever fetches a feed can see: whole, by service body, paged or not."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.publisher import Document, Publisher, Request

Row = dict[str, Any]
FORMATS: list[Row] = [{"id": "1", "key_string": "O", "name_string": "Open", "world_id": "OPEN", "lang": "en"}]
SERVICE_BODIES: list[Row] = [{"id": "3", "parent_id": "0", "name": "Riverbend Area", "type": "AS"}]


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
        "location_postal_code_1": "",
        "location_info": "",
        "comments": "",
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
        query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        match query.get("switcher"):
            case ["GetServerInfo"]:
                return self._written(query, [{"version": "3.1.0", "langs": "en", "nativeLang": "en"}])
            case ["GetFormats"]:
                return self._written(query, FORMATS)
            case ["GetServiceBodies"]:
                return self._written(query, SERVICE_BODIES)
            case ["GetSearchResults"]:
                return self._written(query, self._found(query))
            case _:
                return Document(b"<html>", 404)

    def _found(self, query: dict[str, list[str]]) -> object:
        found = self._page(query)
        if "get_used_formats" in query:
            return {"meetings": found, "formats": FORMATS}
        return {"meetings": found} if self.wrapped else found

    def _page(self, query: dict[str, list[str]]) -> list[Row]:
        if not self.pages or "page_size" not in query:
            return self.rows
        size, number = int(query["page_size"][0]), int(query["page_num"][0])
        return self.rows[size * (number - 1) : size * number]

    def _written(self, query: dict[str, list[str]], found: object) -> Document:
        """JSON; JSONP where a callback is named, as a page of another site asks."""
        written = json.dumps(found)
        if "callback" not in query:
            return Document(written.encode())
        return Document(f"{query['callback'][0]}({written});".encode(), headers={"content-type": "text/javascript"})
