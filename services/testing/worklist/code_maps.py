"""What laboratories' own codes mean, as a program's people reviewed it, while the service runs.

The lines of the database join the program's `local_codes`: the digest of its settings, which the journal's rows name,
is of them too. What was listed under a code is read again (`rereading`).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time

import msgspec

from services.testing.settings import is_understood
from services.testing.worklist import was_mapped
from services.testing.worklist.rereading import Rereading
from shared.path.transaction import code_maps, resources
from shared.path.transaction.code_maps import MappedCode
from shared.process import Running

LOOK_SECONDS = 3.0
"""A line counts within five seconds of its import."""


class CodeMaps:
    """`written` are the codes of program.toml; a line of the database goes before them."""

    def __init__(self, running: Running, rereading: Rereading) -> None:
        self._running = running
        self._rereading = rereading
        self._written = {program: each.local_codes for program, each in running.inbox.settings.items()}
        self._all_read = False

    async def look(self) -> None:
        """Take over what changed, and read again what it answers; a service that is too busy goes on at the next
        look."""
        inbox = self._running.inbox
        async with inbox.pool.acquire() as connection:
            lines = await code_maps.known(connection)
        today = self._running.clock.now().date()
        for program, settings in list(inbox.settings.items()):
            codes = merged(self._written[program], (each for each in lines if each.program == program), today)
            if codes != settings.local_codes:
                await inbox.journal.change(program, msgspec.structs.replace(settings, local_codes=codes))
                self._all_read = False
        if self._all_read:
            await self._rereading.read_answered(only_open=True)
            return
        await self._remember(each for each in lines if each.program in inbox.settings)
        self._all_read = await self._rereading.read_answered()

    async def _remember(self, lines: Iterable[MappedCode]) -> None:
        """What codes were read as before: else nobody reads that again where nobody had to ask about the code."""
        async with self._running.inbox.pool.acquire() as connection, connection.transaction():
            for each in (each for each in lines if each.former):
                since = datetime.combine(each.valid_from, time(), UTC)
                task = was_mapped(each.program, each.laboratory, each.code, each.former, since)
                await resources.add(connection, [task], each.program, self._running.clock.now())


def merged(written: Mapping[str, str], lines: Iterable[MappedCode], today: date) -> dict[str, str]:
    """The codes of program.toml with the lines that count today; one that another release wrote, and this one does not
    understand, leaves its code unmapped: it is asked about."""
    counting = (each for each in lines if each.valid_from <= today and is_understood(each.meaning))
    return {**written, **{f"{each.laboratory}|{each.code}": each.meaning for each in counting}}
