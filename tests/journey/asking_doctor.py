"""`iop doctor` asked about a running hub."""

import json
import time
from collections.abc import Mapping

from typer.testing import CliRunner

from deploy.cli import app

WELL_SECONDS_MOST = 90.0


def wrong(*asked: str) -> Mapping[str, str]:
    """What is wrong, by the name of its check; each says what to do."""
    done = CliRunner().invoke(app, ["doctor", *asked, "--json"])
    found = [each for each in json.loads(done.stdout) if each["status"] == "wrong"]
    assert all(each["remedy"] for each in found)
    assert done.exit_code == bool(found)
    return {each["name"]: each["text"] for each in found}


def until_nothing_is_wrong(asked: tuple[str, ...]) -> None:
    """A hub that has just started joins its groups first, and learns how current its consent ledger is."""
    give_up_at = time.monotonic() + WELL_SECONDS_MOST
    while found := wrong(*asked):
        assert time.monotonic() < give_up_at, found
        time.sleep(1)
