"""What was done in a simulation, one JSON object a line, in order: whoever counts again needs nothing else.

| `did` | says |
|---|---|
| `began` | the seed, and the program's settings as they stand in program.toml |
| `step` | the clinic's clock was set to `at`, and the hub was quiet |
| `admitted`, `discharged` | of `patient`; the first one also names the hub's id of them, the other when they `left` |
| `advanced` | the therapist lets `patient` go on in the last stage of their level |
| `book`, `move`, `encounter`, `withdraw`, `appointment`, `decline` | an `Act` of `visits.py`, accepted or `refused` |
| `chose` | the therapist's `choice` for `patient`: to leave the groups, individual therapy instead, any group again |
| `meeting` | a session of this `group` that would begin at `start` is held from `to` on, or (null) not at all |
| `answered` | a person resolved what was asked of them, of this `reason` (of `session`, where it is about one) |
| `silent` | the EHR's interface stands still: nothing is sent at this step |
| `killed` | attendance was killed, and started again, while the clock stood still |
| `outage` | attendance was killed, and started again at `at`; the clock had been at `since` |
"""

from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec


class Log:
    """with Log(file) as log: log.write(at, "step")"""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, at: datetime, did: str, **more: object) -> None:
        self._file.write(msgspec.json.encode({"at": at, "did": did, **more}) + b"\n")
