"""HL7 v2 over HTTP: a message, or a batch of them."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.testing.hl7.mllp import Frame
from services.testing.hl7.receiver import MEDIA_TYPE, Hl7Receiver
from services.testing.hl7.senders import Sender
from shared.edge.body import read_body
from shared.edge.outcome import refuse

MEDIA_TYPES = (MEDIA_TYPE, "application/hl7-v2+er7", "x-application/hl7-v2+er7", "text/plain")


def routes(receiver: Hl7Receiver) -> list[Route]:
    """`POST /hl7`: a message, answered with its ACK; 200 only for AA, 204 where no ACK is asked for.

    `POST /hl7/batch`: a batch, answered by a batch; 200 only where each of its messages is taken.
    """
    process = receiver.running.process

    def of(bytes_most: int) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            sender = await _sender(receiver, request)
            answered = await receiver.answer_all(Frame(await read_body(request, bytes_most)), sender)
            return Response(b"".join(answered.acknowledgements), answered.status, media_type=MEDIA_TYPE)

        return handle

    return [
        Route("/hl7", of(process.hl7_message_bytes), methods=["POST"]),
        Route("/hl7/batch", of(process.hl7_batch_bytes), methods=["POST"]),
    ]


async def _sender(receiver: Hl7Receiver, request: Request) -> Sender:
    """Whose token it is. Raises HttpRefusal."""
    caller = await receiver.running.token_verifier.caller(request.headers.get("authorization"))
    caller.require("DiagnosticReport", "c")
    kind = request.headers.get("content-type", "").split(";")[0].strip()
    if kind not in MEDIA_TYPES:
        raise refuse(415, "not-supported", "", f"Content-Type must be {MEDIA_TYPE}.")
    if caller.name not in receiver.known:
        raise refuse(403, "forbidden", "", "This client is not registered as a laboratory (clients.toml).")
    return Sender(caller.name, receiver.known[caller.name], (caller.program,))
