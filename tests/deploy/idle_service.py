"""A process that is ready and does nothing: the runner's tests need parts, not a clinic."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Ready(BaseHTTPRequestHandler):
    """Answers every question with yes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer((os.environ["IOP_HOST"], int(os.environ["IOP_HTTP_PORT"])), Ready).serve_forever()
