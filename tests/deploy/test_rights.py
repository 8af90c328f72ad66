"""What a hub writes is read by its owner only: Kafka's segments hold clinical records."""

import signal
import sys
from pathlib import Path

import pytest

from deploy import hubfile, processes
from deploy.processes import HubPart

WRITES = "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir(); pathlib.Path(sys.argv[1], 'segment').write_text('x')"


@pytest.mark.parametrize("mode", [None, 0o755])
def test_the_folder_of_a_hub_is_its_owners_also_where_it_was_open_before(tmp_path: Path, mode: int | None) -> None:
    data = tmp_path / "hub"
    if mode is not None:
        data.mkdir(mode=mode)
    with hubfile.owned(data):
        assert data.stat().st_mode & 0o777 == 0o700


def test_whatever_a_part_writes_is_its_owners(tmp_path: Path) -> None:
    made, log = tmp_path / "topics", tmp_path / "logs" / "part.log"
    part = HubPart(
        name="part",
        command=(sys.executable, "-c", WRITES, str(made)),
        log=log,
        ready=lambda: True,
        stop_with=signal.SIGTERM,
    )
    assert processes.launch(part).wait(30) == 0
    modes = {path.stat().st_mode & 0o077 for path in (made, made / "segment")}
    assert modes == {0}
