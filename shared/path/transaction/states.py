"""One patient's state as it stands, to be looked at: nothing is locked, and nothing decided by it."""

from shared.path.service import PATIENT, Service
from shared.platform.db import Connection

_STATE = "SELECT version, body FROM state WHERE kind = $1 AND key = $2 AND program = $3"


async def of_patient(connection: Connection, service: Service, program: str, patient: str) -> object:
    """A new key's where nothing is known. Raises NewerState."""
    row = await connection.fetchrow(_STATE, PATIENT, patient, program)
    return service.deciders[PATIENT].read(row["version"], row["body"]) if row else service.deciders[PATIENT].read(0, "")
