"""`GET Task/{id}/$why`: the decisions about a Task, as a person would give them, to whoever may read it."""

from starlette.requests import Request
from starlette.responses import Response

from shared.edge.http import EdgeDependencies, Handler, answer
from shared.edge.routes import readable
from shared.path.transaction.explaining import explain
from shared.path.transaction.narrating import lines


def why(dependencies: EdgeDependencies) -> Handler:
    """A Parameters resource with a `line` for each line of the text."""

    async def handle(request: Request) -> Response:
        task, inbox = await readable(dependencies, request, "Task"), dependencies.inbox
        async with (
            inbox.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            found = await explain(connection, inbox.service, inbox.settings, dependencies.sources, str(task["id"]))
        shown = [line for each in found if each.type == "Task" for line in lines(each)]
        return answer(
            {"resourceType": "Parameters", "parameter": [{"name": "line", "valueString": each} for each in shown]}
        )

    return handle
