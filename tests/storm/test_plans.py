"""The plans of every statement among a hundred thousand patients."""

from shared.platform import db
from tests.shared.path.plans import fill, growing

PATIENTS = 100_000


async def test_no_statement_reads_all_of_a_hundred_thousand_patients(database: str) -> None:
    connection = await db.connect(database)
    await fill(connection, PATIENTS)
    assert await growing(database) == {}
    await connection.execute("ANALYZE")
    assert await growing(database) == {}
    await connection.close()
