"""One validator for all: a JVM starts once in a process."""

import pytest

from tests.conformance.hapi import Validator


@pytest.fixture(scope="session")
def validator() -> Validator:
    return Validator()
