"""A process' memory, once all is made that stays."""

import subprocess
import sys

import pytest

_FAULTS = """
import resource
from shared.platform import memory
{calm}
def batch():
    rows = [bytes(20_000) for _ in range(300)]
batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told")
@pytest.mark.processes
def test_what_a_batch_has_freed_is_not_asked_for_again() -> None:
    """Six megabytes are 1,500 pages: without the setting all of them are."""
    assert _faults("") > 1_000
    assert _faults("memory.calm()") < 100


def _faults(calm: str) -> int:
    command = (sys.executable, "-c", _FAULTS.format(calm=calm))
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
