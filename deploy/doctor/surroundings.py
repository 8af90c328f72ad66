"""Judging whether the hub runs, and what its processes answered."""

from collections.abc import Iterator

from deploy.doctor.facts import Facts, NoAnswer, NotAskedError, ReadinessCheck, known


def hub(facts: Facts) -> Iterator[str]:
    """It runs."""
    if isinstance(facts.hub, NoAnswer):
        if not facts.hub.asked:
            raise NotAskedError(facts.hub.reason)
        yield facts.hub.reason


def ports(facts: Facts) -> Iterator[str]:
    """Somebody listens."""
    for name, listens in known(facts.ports).items():
        if not listens:
            yield f"nobody listens for {name}"


def services(facts: Facts) -> Iterator[str]:
    """Each process, with what it says of itself; what several say is named once."""
    if not facts.services:
        raise NotAskedError("no address of a service is known")
    for name, each in facts.services.items():
        if isinstance(each, NoAnswer):
            yield f"{name}: {each.reason}"
    for found in _alike(facts).values():
        first = min((check for _, check in found), key=lambda check: str(check.since))
        since = f", since {first.since:%Y-%m-%d %H:%M:%S} UTC" if first.since else ""
        yield f"{', '.join(name for name, _ in found)}: {first.wrong.rstrip('.')}{since} ({first.remedy})"


def _alike(facts: Facts) -> dict[str, list[tuple[str, ReadinessCheck]]]:
    """By the name of its check what is wrong, with the process that says so."""
    found: dict[str, list[tuple[str, ReadinessCheck]]] = {}
    answers = [(name, each) for name, each in facts.services.items() if not isinstance(each, NoAnswer)]
    for name, check in ((name, check) for name, each in answers for check in each.checks):
        if check.status == "wrong":
            found.setdefault(check.name, []).append((name, check))
    return found


def issuer(facts: Facts) -> Iterator[str]:
    """It answers with its key."""
    known(facts.hub)
    if isinstance(facts.issuer, NoAnswer):
        yield facts.issuer.reason
    elif isinstance(facts.issuer_key, NoAnswer):
        yield facts.issuer_key.reason
    elif facts.issuer_key not in facts.issuer:
        yield "it publishes another key than the one in the folder of keys, so tokens are refused"


def other_issuers(facts: Facts) -> Iterator[str]:
    """Each answers with its keys."""
    for name, answer in known(facts.other_issuers).items():
        if isinstance(answer, NoAnswer):
            yield f"{name}: {answer.reason}"
        elif not answer:
            yield f"{name}: it publishes no keys"
