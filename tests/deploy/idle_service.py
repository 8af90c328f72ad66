"""A process that is ready and does nothing: the runner's tests need parts, not a clinic. It says what it was asked."""

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Ready(BaseHTTPRequestHandler):
    """Answers every question with yes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


class Operated(Ready):
    """Takes what an operator asks."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        kind = self.headers.get("Authorization", "").partition(" ")[0]
        self.wfile.write(f"asked {self.path} with a {kind}".encode())


if __name__ == "__main__":
    for_operators = ThreadingHTTPServer((os.environ["IOP_ADMIN_HOST"], int(os.environ["IOP_ADMIN_PORT"])), Operated)
    threading.Thread(target=for_operators.serve_forever, daemon=True).start()
    inherited = os.environ.get("IOP_HTTP_SOCKET")
    for_clients = ThreadingHTTPServer(
        (os.environ["IOP_HOST"], int(os.environ["IOP_HTTP_PORT"])), Ready, bind_and_activate=inherited is None
    )
    if inherited is not None:
        for_clients.socket = socket.socket(fileno=int(inherited))
    for_clients.serve_forever()
