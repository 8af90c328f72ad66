"""Who a patient is: digests nobody can read, parts one reader can open, aliases the first owner keeps."""

from pathlib import Path

import pytest

from deploy import keys as key_files
from shared.platform.keys import Identifier, Keys

MRN = Identifier("https://clinic.demo.iop-hub.org/mrn", "MRN-4711")
PATIENT = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Keys]:
    folder = key_files.make(tmp_path)
    return {name: Keys.load(folder, name) for name in ("intake", "attendance", "aftercare")}


def test_a_digest_tells_nothing_of_the_identifier_and_differs_by_program(keys: dict[str, Keys]) -> None:
    (here,), (elsewhere,) = keys["intake"].digests("demo", [MRN]), keys["intake"].digests("other", [MRN])
    assert here.value != elsewhere.value
    assert "4711" not in here.value


def test_every_service_makes_the_same_digest(keys: dict[str, Keys]) -> None:
    assert keys["intake"].digests("demo", [MRN]) == keys["aftercare"].digests("demo", [MRN])


def test_a_sealed_part_opens_for_its_reader_alone(keys: dict[str, Keys]) -> None:
    part = keys["intake"].seal("aftercare", {"area": "North"})
    assert keys["aftercare"].open((part,)) == {"area": "North"}
    assert keys["attendance"].open((part,)) is None


def test_a_part_that_names_a_reader_but_was_sealed_for_another_stays_shut(keys: dict[str, Keys]) -> None:
    headers, _, rest = keys["intake"].seal("aftercare", {"area": "North"}).partition(".")
    named = keys["intake"].seal("attendance", {"area": "North"}).partition(".")[0]
    assert keys["attendance"].open((f"{named}.{rest}",)) is None
    assert headers != named


def test_bytes_at_rest_open_with_the_same_service_only(keys: dict[str, Keys]) -> None:
    secret = keys["intake"].encrypt(b"PID|1")
    assert b"PID" not in secret
    assert keys["intake"].decrypt(secret) == b"PID|1"
