"""Judging what this machine, its files and the partners answered."""

from collections.abc import Iterator, Mapping

from deploy.doctor.facts import Facts, NoAnswer, NotAskedError, known

CERTIFICATE_DAYS_LEAST = 14
MEGABYTE = 1_000_000


def disk(facts: Facts) -> Iterator[str]:
    """Enough is free."""
    if (free := known(facts.free_bytes)) < facts.free_bytes_least:
        yield f"{free // MEGABYTE} MB are free, {facts.free_bytes_least // MEGABYTE} MB are wanted"


def java(facts: Facts) -> Iterator[str]:
    """It runs."""
    _require_embedded(facts)
    if isinstance(facts.java, NoAnswer):
        yield facts.java.reason


def jars(facts: Facts) -> Iterator[str]:
    """Whole."""
    _require_embedded(facts)
    yield from _sentences(facts.broken_jars, "{} is missing or broken")


def file_modes(facts: Facts) -> Iterator[str]:
    """Of every secret."""
    yield from _sentences(facts.readable_by_others, "{} can be read by others")


def settings(facts: Facts) -> Iterator[str]:
    """Every file."""
    yield from _sentences(facts.settings)


def keys(facts: Facts) -> Iterator[str]:
    """Of every service."""
    yield from _sentences(facts.keys)


def on_call(facts: Facts) -> Iterator[str]:
    """Whom escalations ring."""
    yield from _sentences(facts.pagers)


def rota(facts: Facts) -> Iterator[str]:
    """Somebody at every hour."""
    yield from _sentences(facts.rota)


def certificates(facts: Facts) -> Iterator[str]:
    """Of everybody who is sent anything by https."""
    yield from _certificates(facts.certificates)


def laboratories(facts: Facts) -> Iterator[str]:
    """Of whoever connects by MLLP with mutual TLS."""
    yield from _certificates(facts.laboratories)


def _certificates(found: Mapping[str, float | NoAnswer] | NoAnswer) -> Iterator[str]:
    for name, days in known(found).items():
        if isinstance(days, NoAnswer):
            yield f"{name}: {days.reason}"
        elif days < CERTIFICATE_DAYS_LEAST:
            yield f"{name}: its certificate ends in {days:.0f} days"


def _sentences(found: object, form: str = "{}") -> Iterator[str]:
    """One for each; that the question was not answered is one too."""
    if isinstance(found, NoAnswer):
        if not found.asked:
            raise NotAskedError(found.reason)
        yield found.reason
    elif isinstance(found, list | tuple):
        yield from (form.format(each) for each in found)


def _require_embedded(facts: Facts) -> None:
    if not facts.is_embedded:
        raise NotAskedError("Kafka is your own")
