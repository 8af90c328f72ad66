"""Foreign JSON once it is decoded: the one place that says `Any` of it. What it holds is looked at where it is used."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]
"""A JSON object, to be read."""
MutableJson = dict[str, Any]
"""A JSON object that belongs to whoever holds it."""
