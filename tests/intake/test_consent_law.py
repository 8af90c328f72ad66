"""Whatever Consents come, in whatever order: the gate opens no more than a person would read in them, and what is worse
never gets the milder answer. The reading by hand looks at the papers themselves, and shares no code with the hub's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as some

from services.intake import messages as w
from shared.events import codes
from shared.platform.keys import Keys
from shared.rules.consent import Consent, Partner, Permitted, may_disclose
from tests.intake import bundles
from tests.intake.bundles import MONDAY
from tests.intake.test_interpret import WHO, interpreted, keys
from tests.laws import examples
from tests.shared.rules.partners import ALUMNI, CLINIC, HOUSE

__all__ = ["keys"]

Json = dict[str, Any]
Ended = Literal["", "inactive", "entered-in-error"]
MODEST = msgspec.structs.replace(ALUMNI, required=("name",))
PARTNERS = (
    ALUMNI,
    MODEST,
    CLINIC,
    msgspec.structs.replace(HOUSE, fields=("name", "phone")),
)
DAYS = ("2026-01-02", "2026-01-02T15:00:00Z", "2026-01-04")
"""All before MONDAY, at which the gate is asked."""
MODIFIER = [{"url": "http://example.org/not", "valueBoolean": True}]
RESTRICTIONS: dict[str, Json] = {
    "class": {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]},
    "label": {"securityLabel": [{"system": codes.ACT, "code": "ETH"}]},
    "data": {"dataPeriod": {"start": "2026-01-01"}},
    "except": {"provision": [{"type": "deny"}]},
    "within": {"provision": [{"type": "permit"}]},
}


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def actor(value: str, role: str = "IRCP", system: str = codes.PARTNER) -> Json:
    return {
        "role": concept(codes.PARTICIPATION, role),
        "reference": {"identifier": {"system": system, "value": value}, "display": "riverbend-alumni"},
    }


ACTORS: dict[str, Json] = {
    "alumni": actor(ALUMNI.identifier),
    "clinic": actor(CLINIC.identifier),
    "house": actor(HOUSE.identifier),
    "alumni, but not as recipient": actor(ALUMNI.identifier, role="CST"),
    "nobody of ours": actor("another-alumni"),
    "another system": actor(ALUMNI.identifier, system="urn:x"),
    "in words": {"role": concept(codes.PARTICIPATION, "IRCP"), "reference": {"display": "riverbend-alumni"}},
    "modified": actor(ALUMNI.identifier) | {"modifierExtension": MODIFIER},
}
PURPOSES: dict[str, Json] = {
    "alumni": {"system": codes.PURPOSE, "code": "alumni"},
    "TREAT": {"system": codes.ACT_REASON, "code": "TREAT"},
    "recovery-residence": {"system": codes.PURPOSE, "code": "recovery-residence"},
    "unknown": {"system": "urn:x", "code": "alumni"},
}
PERIODS: dict[str, Json] = {
    "a year": {"end": "2027-01-01"},
    "over": {"end": "2026-01-04"},
    "ahead": {"start": "2026-02-01", "end": "2027-01-01"},
}


@dataclass(frozen=True)
class Paper:
    """One Consent as it is sent; `ended` is what a later PUT of it says."""

    body: Json
    ended: Ended = ""

    @property
    def provision(self) -> Json:
        found: Json = self.body.get("provision", {})
        return found


def paper(**chosen: Any) -> Paper:
    provision: Json = {
        "type": chosen["type"],
        "actor": [ACTORS[each] for each in chosen["actors"]],
        "purpose": [PURPOSES[each] for each in chosen["purposes"]],
        "code": [concept(codes.FIELD, each) for each in chosen["fields"]],
        "action": [concept(codes.CONSENT_ACTION, each) for each in chosen["actions"]],
        "period": PERIODS.get(chosen["period"]),
        **RESTRICTIONS.get(chosen["restriction"], {}),
    }
    whole = {
        **bundles.consent("riverbend-alumni", who=WHO),
        "status": chosen["status"],
        "scope": concept(codes.CONSENT_SCOPE, chosen["scope"]),
        "dateTime": chosen["date"],
        "verification": [{"verified": each} for each in chosen["verified"]],
        "performer": [{"reference": each} for each in chosen["signers"]],
        "provision": {name: value for name, value in provision.items() if value},
        "modifierExtension": MODIFIER if chosen["modified"] == "whole" else [],
    }
    body = {name: value for name, value in whole.items() if value}
    if chosen["modified"] == "verification" and "verification" in body:
        body["verification"][0]["modifierExtension"] = MODIFIER
    return Paper(body, chosen["ended"])


def mostly(usual: Any, *rarely: Any) -> some.SearchStrategy[Any]:
    return some.integers(0, 19).flatmap(lambda roll: some.just(usual) if roll < 18 else some.sampled_from(rarely))


def several(*of: str) -> some.SearchStrategy[list[str]]:
    return some.lists(some.sampled_from(of), unique=True, max_size=3)


chosen: some.SearchStrategy[Json] = some.fixed_dictionaries(
    {
        "type": mostly("permit", "deny", None),
        "actors": some.one_of(some.just(["alumni"]), some.just(["alumni", "clinic"]), several(*ACTORS)),
        "purposes": some.one_of(some.just(["alumni"]), some.just(["alumni", "TREAT"]), several(*PURPOSES)),
        "fields": some.one_of(
            some.just(["name", "phone"]), some.just(["name"]), several("name", "phone", "area", "unknown")
        ),
        "actions": mostly([], ["disclose"], ["access"], ["access", "disclose"]),
        "period": mostly("a year", *PERIODS, ""),
        "restriction": mostly("", *RESTRICTIONS),
        "status": mostly("active", "draft", "proposed", "inactive", "rejected", "entered-in-error"),
        "scope": mostly("patient-privacy", "research"),
        "date": some.sampled_from(DAYS),
        "verified": mostly([], [True], [False], [True, False]),
        "signers": mostly([WHO], [], ["Practitioner/7"]),
        "modified": mostly("", "whole", "verification"),
        "ended": mostly("", "inactive", "entered-in-error"),
    }
)
papers = some.lists(some.builds(lambda each: paper(**each), chosen), min_size=1, max_size=4)


@dataclass
class KnownConsents:
    """As the services have it, one patient's: what is stated and what is revoked, by consent."""

    stated: dict[str, Consent] = field(default_factory=dict)
    revoked: dict[str, w.ConsentGiven] = field(default_factory=dict)

    def enter(self, command: object, name: str) -> None:
        match command:
            case w.RecordConsent():
                self.stated[name] = w.ConsentGiven(**msgspec.structs.asdict(command) | {"consent_id": name})
            case w.DenyConsent():
                self.stated[name] = w.ConsentDenied(**msgspec.structs.asdict(command) | {"consent_id": name})
            case w.RevokeConsent(mistaken=mistaken):
                ended = self.stated.pop(name, None)
                if isinstance(ended, w.ConsentGiven) and not mistaken:
                    self.revoked[name] = ended


def opened(keys: Keys, papers: Sequence[Paper], partner: Partner) -> Permitted | None:
    """What the gate opens for the partner once all of these have come."""
    known = KnownConsents()
    for number, each in enumerate(papers):
        for command in interpreted(keys, each.body).commands:
            known.enter(command, str(number))
    for number, each in enumerate(papers):
        ending = {**each.body, "status": each.ended}
        for command in interpreted(keys, ending, method="PUT", before=each.body).commands if each.ended else ():
            known.enter(command, str(number))
    answer = may_disclose(list(known.stated.values()), partner, "demo", MONDAY, list(known.revoked.values()))
    return answer if isinstance(answer, Permitted) else None


# The reading by hand.


def all_of(part: object, name: str) -> Iterator[Any]:
    """Every element of this name, at whatever depth."""
    if isinstance(part, dict):
        yield from ([part[name]] if name in part else [])
        for value in part.values():
            yield from all_of(value, name)
    if isinstance(part, list):
        for each in part:
            yield from all_of(each, name)


def code_of(found: Json) -> tuple[str, str]:
    (coding,) = found["coding"]
    return coding["system"], coding["code"]


def is_a_yes(sent: Paper, partner: Partner) -> bool:
    """It permits disclosing to this partner for this purpose, without any restriction, and is signed."""
    body, provision = sent.body, sent.provision
    actors = [each for each in provision.get("actor", []) if code_of(each["role"])[1] == "IRCP"]
    named = [each["reference"].get("identifier", {}) for each in actors]
    return all(
        (
            body["status"] == "active",
            code_of(body["scope"])[1] == "patient-privacy",
            provision.get("type") == "permit",
            not set(provision) & {"provision", "class", "securityLabel", "dataPeriod", "data"},
            not list(all_of(body, "modifierExtension")),
            all(each["verified"] for each in body.get("verification", [])),
            body.get("performer") == [{"reference": WHO}],
            {"system": codes.PARTNER, "value": partner.identifier} in named,
            partner.purpose in [each["code"] for each in provision.get("purpose", []) if each["system"] != "urn:x"],
            not provision.get("action") or "disclose" in str(provision["action"]),
        )
    )


def is_a_no(sent: Paper, partner: Partner) -> bool:
    """It denies, or permits less than can be read, and is about this partner for all that can be read."""
    body, provision = sent.body, sent.provision
    if body["status"] != "active" or code_of(body["scope"])[1] != "patient-privacy":
        return False
    denies = "deny" in list(all_of(provision, "type"))
    restricts = set(provision) & {"provision", "class", "securityLabel", "dataPeriod"}
    restricts |= set(map(str, all_of(body, "modifierExtension")))
    purposes = [each["code"] for each in provision.get("purpose", [])]
    identifiers = [each["reference"].get("identifier", {}).get("value") for each in provision.get("actor", [])]
    about = partner.identifier in identifiers or (provision.get("type") == "deny" and None in (identifiers or [None]))
    return bool(denies or restricts) and about and (not purposes or partner.purpose in purposes)


def limited_to(no: Paper) -> set[str]:
    """The fields that a plain no names, each of which is known; all where there is none."""
    restricted = set(no.provision) & {"provision", "class", "securityLabel", "dataPeriod"}
    named = {code_of(each) for each in no.provision.get("code", [])}
    known = {(codes.FIELD, each) for each in ("name", "phone", "area")}
    is_plain = no.provision.get("type") == "deny" and not restricted and not list(all_of(no.body, "modifierExtension"))
    return fields_of(no) if is_plain and named <= known else set()


def first_moment(sent: Paper) -> datetime:
    text = sent.body["dateTime"]
    return datetime.fromisoformat(text if "T" in text else f"{text}T05:00:00Z").astimezone(UTC)


def fields_of(sent: Paper) -> set[str]:
    return {code_of(each)[1] for each in sent.provision.get("code", [])}


def objections(papers: Sequence[Paper], partner: Partner, permitted: Permitted) -> Iterator[str]:
    """What somebody who reads the papers says against this disclosure."""
    by = papers[int(str(permitted.consent_id))]
    if not is_a_yes(by, partner) or by.ended:
        yield "the consent itself does not permit it"
    if not set(permitted.fields) <= fields_of(by) & set(partner.fields):
        yield "more than its fields"
    if not set(partner.required) <= set(permitted.fields):
        yield "less than serves the purpose"
    period = by.provision.get("period", {})
    if period.get("start", "") > f"{MONDAY:%Y-%m-%d}" or period.get("end", "9999") < f"{MONDAY:%Y-%m-%d}":
        yield "not in force"
    if not period and partner is not CLINIC:
        yield "without expiry"
    for each in papers:
        if each is by or first_moment(each) < first_moment(by) or each.ended == "entered-in-error":
            continue
        if is_a_no(each, partner) and (limited_to(each) or set(permitted.fields)) & set(permitted.fields):
            yield "a newer no"
        if is_a_yes(each, partner) and fields_of(each) and each.ended:
            yield "a newer one was revoked"
        in_force = each.provision.get("period", {}).get("start", "") <= f"{MONDAY:%Y-%m-%d}"
        if is_a_yes(each, partner) and fields_of(each) and in_force and not set(permitted.fields) <= fields_of(each):
            yield "a newer one is narrower"


USUAL: Json = {
    "type": "permit", "actors": ["alumni"], "purposes": ["alumni"], "fields": ["name", "phone"], "actions": [],
    "period": "a year", "restriction": "", "status": "active", "scope": "patient-privacy", "date": DAYS[0],
    "verified": [], "signers": [WHO], "modified": "", "ended": "",
}  # fmt: skip
A_YES = paper(**USUAL)
RENEWED = paper(**USUAL | {"date": DAYS[1]})


def test_a_plain_yes_opens_and_nobody_objects(keys: Keys) -> None:
    found = opened(keys, [A_YES], ALUMNI)
    assert found is not None and found.fields == ("name", "phone")
    assert list(objections([A_YES], ALUMNI, found)) == []


@settings(max_examples=examples(100))
@given(papers, some.sampled_from(PARTNERS), some.randoms(use_true_random=False))
@example([A_YES, replace(RENEWED, ended="inactive")], ALUMNI, None)
@example([A_YES, paper(**USUAL | {"fields": ["name"]})], MODEST, None)
@example([A_YES, paper(**USUAL | {"type": "deny", "purposes": ["TREAT", "unknown"]})], ALUMNI, None)
@example([A_YES, paper(**USUAL | {"verified": [True], "modified": "verification"})], ALUMNI, None)
@example(
    [A_YES, paper(**USUAL | {"actors": ["clinic", "alumni, but not as recipient"], "modified": "whole"})], ALUMNI, None
)
def test_the_gate_opens_no_more_than_a_person_reads_in_any_order_of_arrival(
    keys: Keys, papers: list[Paper], partner: Partner, random: Any
) -> None:
    found = opened(keys, papers, partner)
    if found is not None:
        assert list(objections(papers, partner, found)) == []
    if random is not None:
        again = random.sample(papers, len(papers))
        shuffled = opened(keys, again, partner)
        assert (shuffled and shuffled.fields) == (found and found.fields)


def restricted(how: str) -> Any:
    return lambda sent: replace(sent, body=sent.body | {"provision": sent.provision | RESTRICTIONS[how]})


def without_codes(sent: Paper) -> Json:
    return {name: value for name, value in sent.provision.items() if name != "code"}


WORSE: dict[str, Any] = {
    **{f"restricted by {how}": restricted(how) for how in RESTRICTIONS},
    "ended": lambda sent: replace(sent, ended=sent.ended or "inactive"),
    "modified": lambda sent: replace(sent, body=sent.body | {"modifierExtension": MODIFIER}),
    "denied": lambda sent: replace(sent, body=sent.body | {"provision": without_codes(sent) | {"type": "deny"}}),
    "one field less": lambda sent: replace(
        sent, body=sent.body | {"provision": sent.provision | {"code": sent.provision["code"][:-1]}}
    ),
    "shorter": lambda sent: replace(sent, body=sent.body | {"provision": sent.provision | {"period": PERIODS["over"]}}),
}


@pytest.mark.parametrize("how", WORSE)
def test_what_is_worse_than_a_narrower_renewal_revives_nothing_older(keys: Keys, how: str) -> None:
    renewed = paper(**USUAL | {"date": DAYS[1], "fields": ["name", "area"]})
    found = opened(keys, [A_YES, WORSE[how](renewed)], MODEST)
    assert found is None or found.fields == ("name",)


UNREADABLE: dict[str, Json] = {
    "purpose": {"system": "urn:x", "code": "TREAT"},
    "actor": ACTORS["in words"],
    "code": concept("urn:x", "name"),
    "class": {"system": "urn:x", "code": "y"},
    "securityLabel": {"system": "urn:x", "code": "y"},
    "provision": {"code": [concept("urn:x", "y")]},
}


def made_unreadable(sent: Paper) -> Iterator[Paper]:
    """With one more part that can't be read, with that in the place of each that can and is not modified, and with such
    an end."""
    for name, unreadable in UNREADABLE.items():
        parts = sent.provision.get(name, [])
        plain = [at for at, part in enumerate(parts) if "modifierExtension" not in part]
        for changed in ([*parts, unreadable], *([*parts[:at], unreadable, *parts[at + 1 :]] for at in plain)):
            yield replace(sent, body=sent.body | {"provision": sent.provision | {name: changed}})
    untold = {"_end": {"extension": [{"url": "urn:x", "valueCode": "masked"}]}}
    yield replace(sent, body=sent.body | {"provision": sent.provision | {"period": untold}})


@settings(max_examples=examples(30))
@given(chosen, some.sampled_from(PARTNERS))
@example(USUAL | {"actors": ["clinic"], "purposes": ["TREAT", "alumni"], "period": ""}, CLINIC)
@example(USUAL | {"actors": ["clinic"], "purposes": ["TREAT"], "period": "over"}, CLINIC)
@example(USUAL | {"actors": ["modified", "alumni"]}, ALUMNI)
def test_a_part_that_cannot_be_read_never_opens_more(keys: Keys, chosen: Json, partner: Partner) -> None:
    whole = paper(**chosen)
    before = opened(keys, [whole], partner)
    for worse in made_unreadable(whole):
        after = opened(keys, [worse], partner)
        assert after is None or (before is not None and set(after.fields) <= set(before.fields))


def test_a_no_to_one_field_leaves_the_others_and_to_one_that_nobody_knows_closes_all(keys: Keys) -> None:
    no = USUAL | {"type": "deny", "date": DAYS[1], "period": ""}
    found = opened(keys, [A_YES, paper(**no | {"fields": ["phone"]})], MODEST)
    assert found is not None and found.fields == ("name",)
    assert opened(keys, [A_YES, paper(**no | {"fields": ["phone", "unknown"]})], MODEST) is None
    within = paper(**no | {"fields": ["phone"], "restriction": "within"})
    assert opened(keys, [A_YES, within], MODEST) is None


def test_what_was_entered_in_error_closes_nothing(keys: Keys) -> None:
    assert opened(keys, [A_YES, replace(RENEWED, ended="entered-in-error")], ALUMNI) is not None


@settings(max_examples=examples(100))
@given(papers, some.sampled_from(PARTNERS), some.sampled_from(sorted(WORSE)), some.integers(0, 3))
@example([A_YES, RENEWED], ALUMNI, "ended", 1)
def test_what_is_worse_never_gets_the_milder_answer(
    keys: Keys, papers: list[Paper], partner: Partner, how: str, at: int
) -> None:
    assume(at < len(papers) and papers[at].body["status"] == "active" and papers[at].ended != "entered-in-error")
    assume(how != "one field less" or len(papers[at].provision.get("code", [])) > 1)
    assume("start" not in papers[at].provision.get("period", {}) or how != "shorter")
    before = opened(keys, papers, partner)
    after = opened(keys, [*papers[:at], WORSE[how](papers[at]), *papers[at + 1 :]], partner)
    assert after is None or (before is not None and set(after.fields) <= set(before.fields))


@settings(max_examples=examples(40))
@given(papers, some.sampled_from(PARTNERS))
def test_after_everybody_was_denied_nothing_is_open(keys: Keys, papers: list[Paper], partner: Partner) -> None:
    nobody = Paper({**A_YES.body, "dateTime": DAYS[-1], "provision": {"type": "deny"}})
    assert opened(keys, [*papers, nobody], partner) is None
