"""Consents of one kind of partner: to a class of persons, to a court until its event, and a no to some fields only."""

from typing import Any

import msgspec
import pytest

from services.intake import messages as w
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.platform.keys import Keys
from tests.intake import bundles
from tests.intake.given import SETTINGS
from tests.intake.test_interpret import WHO, interpreted, keys
from tests.shared.rules.partners import AGREED, COURT

__all__ = ["keys"]

Json = dict[str, Any]
WITH_COURT = msgspec.structs.replace(SETTINGS, partners=(*SETTINGS.partners, COURT))
EVENT = {
    "url": codes.ENDS_WITH,
    "valueCodeableConcept": {"coding": [{"system": codes.CONSENT_EVENT, "code": "supervision-ended"}]},
}
CAME = {"url": codes.EVENT_CAME, "valueDateTime": "2026-01-04"}


def to_court(**changed: Any) -> Json:
    plain = bundles.consent(COURT.identifier, COURT.purpose, ("attendance", "completion"), given="2026-01-02", who=WHO)
    return {**plain, "extension": [EVENT], **changed}


def but(consent: Json, **changed: Any) -> Json:
    return {**consent, "provision": {**consent["provision"], **changed}}


def read(keys: Keys, consent: Json, before: Json | None = None) -> tuple[Any, str]:
    """The command, and what the sender is answered."""
    found = interpreted(keys, _filled(consent), method="PUT" if before else "POST", before=before, numbers=WITH_COURT)
    ((issue,),) = found.remarks.values()
    return (found.commands[0] if found.commands else None), issue.diagnostics


def _filled(consent: Json) -> Json:
    """FHIR has no empty list."""
    whole = {**consent, "provision": {name: value for name, value in consent["provision"].items() if value}}
    return {name: value for name, value in whole.items() if value}


# A class of persons (42 CFR 2.31(a)(4)(i))


def of_class(kind: str) -> Json:
    plain = bundles.consent("x", "TREAT", until=None, who=WHO)
    actor = plain["provision"]["actor"][0]
    return but(plain, actor=[actor | {"reference": {"identifier": {"system": codes.PARTNER_KIND, "value": kind}}}])


def test_my_treating_providers_opens_for_each_of_them(keys: Keys) -> None:
    given, answer = read(keys, of_class("treating-provider"))
    assert (given.recipients, given.classes) == ((), ("treating-provider",))
    assert "for riverbend-outpatient" in answer and "alumni" not in answer


@pytest.mark.parametrize("kind", ["alumni-group", "court-or-probation", "anybody"])
def test_any_other_class_opens_nothing_and_the_sender_hears_of_it(keys: Keys, kind: str) -> None:
    given, answer = read(keys, of_class(kind))
    assert given is None and answer.startswith("Opens nothing. An actor in role IRCP must be named by")


# A no to some fields (42 CFR 2.26)


def no(*fields: str, system: str = codes.FIELD) -> Json:
    coded = [{"coding": [{"system": system, "code": each}]} for each in fields]
    return but(bundles.consent("riverbend-alumni", who=WHO), type="deny", code=coded)


def test_a_no_to_fields_closes_these_alone(keys: Keys) -> None:
    denied, answer = read(keys, no("phone"))
    assert (denied.recipients, denied.fields) == (("riverbend-alumni",), ("phone",))
    assert answer == "Opens nothing, and closes phone of what older consents opened for riverbend-alumni."


@pytest.mark.parametrize(
    "resource", [no(), no("phone", "fax"), no("phone", system="urn:x"), but(no("phone"), provision=[{"type": "deny"}])]
)
def test_a_no_whose_fields_are_not_known_closes_all(keys: Keys, resource: Json) -> None:
    denied, answer = read(keys, resource)
    assert denied.fields == () and "closes what older consents opened" in answer


def test_who_denies_all_is_told_that_a_laboratory_under_an_agreement_needs_a_no_of_its_own(keys: Keys) -> None:
    with_laboratory = msgspec.structs.replace(SETTINGS, partners=(*SETTINGS.partners, AGREED))
    to_all = but(no(), actor=[], code=[], purpose=[])
    found = interpreted(keys, _filled(to_all), method="POST", before=None, numbers=with_laboratory)
    ((issue,),) = found.remarks.values()
    assert "closes what older consents opened" in issue.diagnostics
    assert issue.diagnostics.endswith(" What laboratory is told under an agreement only a no that names it closes.")


# A court (42 CFR 2.35)


def test_a_consent_to_a_court_says_with_which_event_it_ends(keys: Keys) -> None:
    given, answer = read(keys, to_court())
    assert given.ends_with == "supervision-ended" and answer.startswith("Opens attendance, completion for court until")


ANOTHER_EVENT = {
    **EVENT,
    "valueCodeableConcept": {"coding": [{"system": codes.CONSENT_EVENT, "code": "case-disposed"}]},
}
IN_WORDS = {**EVENT, "valueCodeableConcept": {"text": "at the end"}}


@pytest.mark.parametrize("extension", [[], [IN_WORDS], [EVENT, IN_WORDS], [EVENT, ANOTHER_EVENT]])
def test_without_an_event_that_can_be_read_it_opens_nothing(keys: Keys, extension: list[Json]) -> None:
    given, answer = read(keys, to_court(extension=extension))
    assert (given.ends_with, answer) == ("", "Opens nothing for court: consent-without-event.")


ENDS = {
    "revoked": to_court(status="inactive"),
    "rejected": to_court(status="rejected"),
    "turned into a no": but(to_court(), type="deny"),
    "narrowed": but(to_court(), code=[{"coding": [{"system": codes.FIELD, "code": "attendance"}]}]),
    "shortened": but(to_court(), period={"end": "2026-06-01"}),
    "without its event": to_court(extension=[]),
    "unsigned": to_court(performer=[]),
    "to somebody else": but(to_court(), actor=bundles.consent("riverbend-house")["provision"]["actor"]),
}


@pytest.mark.parametrize("how", ENDS)
def test_before_its_event_nobody_ends_or_narrows_it(keys: Keys, how: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        read(keys, ENDS[how], before=to_court())
    assert refused.value.status == 422 and "42 CFR 2.35" in refused.value.issues[0].diagnostics


def test_once_its_event_has_come_it_ends(keys: Keys) -> None:
    ended, _ = read(keys, to_court(status="inactive", extension=[EVENT, CAME]), before=to_court())
    assert isinstance(ended, w.RevokeConsent) and not ended.mistaken


def test_an_event_that_is_to_come_ends_nothing(keys: Keys) -> None:
    with pytest.raises(HttpRefusal):
        tomorrow = {**CAME, "valueDateTime": "2026-03-01"}
        read(keys, to_court(status="inactive", extension=[EVENT, tomorrow]), before=to_court())


def test_what_never_was_one_ends_at_once_and_what_opens_no_less_is_taken(keys: Keys) -> None:
    ended, _ = read(keys, to_court(status="entered-in-error"), before=to_court())
    assert isinstance(ended, w.RevokeConsent) and ended.mistaken
    longer, _ = read(keys, but(to_court(), period={"end": "2027-06-01"}), before=to_court())
    assert isinstance(longer, w.RecordConsent)


@pytest.mark.parametrize("before", [bundles.consent("riverbend-alumni", who=WHO), to_court(extension=[])])
def test_any_other_consent_is_revoked_at_any_time(keys: Keys, before: Json) -> None:
    ended, _ = read(keys, {**before, "status": "inactive"}, before=before)
    assert isinstance(ended, w.RevokeConsent)
    past = but(to_court(), period={"end": "2026-01-03"})
    assert isinstance(read(keys, {**past, "status": "inactive"}, before=past)[0], w.RevokeConsent)


def test_a_no_to_everybody_is_answered_with_what_it_does_not_close(keys: Keys) -> None:
    _, answer = read(keys, but(to_court(extension=[]), type="deny", actor=[], code=[]))
    assert answer.endswith("For court not before the event of a consent that binds until then.")
