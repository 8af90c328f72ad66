"""A small HTTP server on loopback: whoever stands in for something outside answers from one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deploy.paths import LOOPBACK


class Taking(BaseHTTPRequestHandler):
    """Takes whole bodies, and logs nothing of them."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing of what is sent is ever logged."""


@contextmanager
def serving(handler: Callable[..., Any]) -> Iterator[str]:
    """Its address, until the block ends; it answers in threads of its own."""
    server = ThreadingHTTPServer((LOOPBACK, 0), handler)
    thread = threading.Thread(target=server.serve_forever, name="serving", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
