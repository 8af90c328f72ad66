"""The four services. They never import one another; they exchange events over Kafka.

A service can't start with a wrong table, and says which: `ending.uncaught`.

structlog and httpx load rich where it is installed, for colours that no service shows: 4 MB and 50 ms of every process.
They are loaded here first, without it; whoever wants it later (the command line, a test) finds it as ever.
"""

import sys

_COLOURS = {"rich", "pygments"} - sys.modules.keys()
sys.modules.update(dict.fromkeys(_COLOURS))  # type: ignore[arg-type]  # None: "not installed" to the import system

import httpx  # noqa: E402, F401
import structlog  # noqa: E402, F401

for _name in _COLOURS:
    del sys.modules[_name]

from shared.platform import ending  # noqa: E402

sys.excepthook = ending.uncaught
