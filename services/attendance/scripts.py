"""What is said and written to a patient who did not come, by channel (`shared/platform/scripts.py`)."""

from pathlib import Path

from shared.events.escalation import SCRIPTS
from shared.platform.scripts import read

FILE = Path(__file__).parent / "data" / "scripts.toml"
TABLE = read(FILE, SCRIPTS)
