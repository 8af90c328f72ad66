"""Family name and birth date are compared by keyed digests: what may be the same person's contradicts nothing."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy import keys as key_files
from shared.path.transaction.sealed import traits_in
from shared.platform.keys import KEY_BYTES, Keys
from shared.platform.traits import NO_TRAITS, NOBODY, Person, Traits, contradictions, digested, folded, of_patient
from tests.laws import examples

BORN = "1988-04-12"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.load(key_files.make(tmp_path_factory.mktemp("keys")), "testing")


def compared(keys: Keys, known: Person, sent: Person) -> int:
    return contradictions(digested(keys, "demo", known), digested(keys, "demo", sent))


@pytest.mark.parametrize(
    ("known", "sent"),
    [
        ("García-López", "GARCIA LOPEZ"),
        ("García-López", "Lopez"),
        ("Smith", "Smith-Jones"),
        ("O'Brien", "OBRIEN"),
        ("O’Brien", "O Brien"),
        ("van der Berg", "Vanderberg"),
        ("de la Cruz", "Cruz"),
        ("Martin Jr.", "MARTIN"),
        ("Müller", "Mueller"),
        ("Müller", "Muller"),
        ("Sørensen", "Soerensen"),
        ("Łukasz", "Lukasz"),
        ("Li", "LI"),
        ("Le", "le"),
        ("Иванов", "Ivanov"),
        ("Smith", ""),
        ("", "Smith"),
        ("Smith", "UNKNOWN"),
        ("Smith", "0815"),
    ],
)
def test_another_way_of_writing_a_family_name_contradicts_nothing(keys: Keys, known: str, sent: str) -> None:
    assert compared(keys, Person((known,)), Person((sent,))) == 0


@pytest.mark.parametrize(("known", "sent"), [("Smith", "Jones"), ("de la Cruz", "de la Rosa"), ("Li Jr", "Ng Jr")])
def test_another_family_name_contradicts(keys: Keys, known: str, sent: str) -> None:
    assert compared(keys, Person((known,)), Person((sent,))) == 1


def test_a_former_name_and_any_of_several_contradicts_nothing_and_a_pseudonym_is_no_name(keys: Keys) -> None:
    patient = {
        "name": [{"family": "Smith"}, {"use": "maiden", "family": "Jones"}, {"use": "anonymous", "family": "Fox"}]
    }
    known = of_patient(patient)
    assert compared(keys, known, Person(("Jones",))) == 0
    assert compared(keys, known, Person(("Brown", "Smith"))) == 0
    assert compared(keys, known, Person(("Fox",))) == 1


@pytest.mark.parametrize(
    ("sent", "contradicts"),
    [
        ("19880412", 0),
        ("198804120830-0500", 0),
        ("1988-04", 0),
        ("1988", 0),
        ("", 0),
        ("19880231", 0),
        ("00000000", 0),
        ("19000101", 0),
        ("12/04/1988", 0),
        ("19880413", 1),
        ("198805", 1),
        ("1989", 1),
    ],
)
def test_of_two_birth_dates_what_both_give_is_compared(keys: Keys, sent: str, contradicts: int) -> None:
    assert compared(keys, Person(born=BORN), Person(born=sent)) == contradicts
    assert compared(keys, Person(born=sent), Person(born=BORN)) == contradicts


def test_both_contradict(keys: Keys) -> None:
    assert compared(keys, Person(("Smith",), BORN), Person(("Jones",), "19900101")) == 2


def test_while_keys_rotate_what_was_digested_before_is_compared_by_the_key_that_both_have(keys: Keys) -> None:
    before = digested(keys, "demo", Person(("Smith",), BORN))
    rotating = holding(keys, (("new", bytes(KEY_BYTES)), *keys.digest_keys))
    later = holding(keys, (("new", bytes(KEY_BYTES)),))
    same, other = Person(("Smith",), BORN), Person(("Jones",), "1990")
    assert contradictions(before, digested(rotating, "demo", same)) == 0
    assert contradictions(before, digested(rotating, "demo", other)) == 2
    assert contradictions(before, digested(later, "demo", other)) == 0, "no key is common to both"


def holding(keys: Keys, digest_keys: tuple[tuple[str, bytes], ...]) -> Keys:
    return Keys(keys.service, digest_keys, keys.private, keys.public, keys.documents)


names = st.lists(st.text(max_size=12), max_size=3).map(tuple)
born = st.one_of(st.dates().map(str), st.just(""), st.text(max_size=10))
people = st.builds(Person, names, born)


@settings(max_examples=examples(200), deadline=None)
@given(people, people)
def test_who_says_nothing_or_the_same_contradicts_nothing_and_it_is_mutual(
    keys: Keys, one: Person, other: Person
) -> None:
    assert compared(keys, one, one) == compared(keys, one, NOBODY) == compared(keys, NOBODY, one) == 0
    assert compared(keys, one, other) == compared(keys, other, one)


@settings(max_examples=examples(200), deadline=None)
@given(people, st.text(max_size=12))
def test_another_name_beside_never_makes_more_of_a_contradiction(keys: Keys, known: Person, former: str) -> None:
    sent = Person(("Smith",), BORN)
    with_former = known._replace(families=(*known.families, former)) if folded("".join(known.families)) else known
    if any(folded(each) for each in known.families):
        assert compared(keys, with_former, sent) <= compared(keys, known, sent)


def test_nothing_of_it_can_be_made_without_the_key_or_read_from_it(keys: Keys, tmp_path: Path) -> None:
    other = Keys.load(key_files.make(tmp_path), "testing")
    person = Person(("Synthetic",), BORN)
    mine, theirs = digested(keys, "demo", person), digested(other, "demo", person)
    assert {each.value for each in mine.families}.isdisjoint(each.value for each in theirs.families)
    assert mine.families != digested(keys, "second", person).families, "a patient in two programs is two patients"
    written = msgspec.json.encode(mine).decode().casefold()
    assert not any(each in written for each in ("synthetic", BORN, "1988", "19880412"))
    assert msgspec.json.decode(msgspec.json.encode(mine), type=Traits) == mine
    assert not NO_TRAITS


def test_what_is_remembered_of_a_sealed_part_is_that_parts_own(keys: Keys, keys_folder: Path) -> None:
    before, after = (digested(keys, "demo", Person((family,), BORN)) for family in ("Seeded", "Married"))
    parts = [keys.seal("testing", {"traits": each}) for each in (before, after)]
    for _ in range(2):
        assert [traits_in(keys, (each,)) for each in parts] == [before, after]
        assert traits_in(Keys.load(keys_folder, "testing"), parts[:1]) == NO_TRAITS
        assert traits_in(keys, ()) == NO_TRAITS
