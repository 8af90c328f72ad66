"""The floor of accepting a Bundle: a bare route that validates it with fhir.resources and inserts it.

python -m bench.baseline PORT DSN
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
import uvloop
from fhir.resources.R4B.bundle import Bundle
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TABLE = "CREATE TABLE IF NOT EXISTS bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL)"


def build(dsn: str) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, min_size=8, max_size=8) as pool:
            await pool.execute(TABLE)
            app.state.pool = pool
            yield

    async def accept(request: Request) -> Response:
        body = await request.body()
        Bundle.model_validate_json(body)
        await request.app.state.pool.execute("INSERT INTO bare (body) VALUES ($1)", body.decode())
        return Response(status_code=200)

    return Starlette(routes=[Route("/fhir", accept, methods=["POST"])], lifespan=lifespan)


def main() -> None:
    port, dsn = sys.argv[1:]
    config = uvicorn.Config(build(dsn), host="127.0.0.1", port=int(port), log_level="warning", access_log=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
