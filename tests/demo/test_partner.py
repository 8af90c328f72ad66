"""The stand-in for partners: it takes what is sent, remembers it once, and leads the hub to itself."""

import httpx

from deploy.demo import partner

BUNDLE = {"resourceType": "Bundle", "type": "transaction", "entry": [{}, {}]}


def test_a_repetition_is_answered_and_not_kept_again() -> None:
    with partner.running() as partners:
        address = partners.environment()["IOP_PARTNER_URL_RIVERBEND_ALUMNI"]
        for _ in range(2):
            answer = httpx.post(address, json=BUNDLE, headers={"Idempotency-Key": "4711"}, trust_env=False)
            assert (answer.status_code, len(answer.json()["entry"])) == (200, 2)
        assert partners.received("riverbend-alumni") == [BUNDLE]
        assert partners.received("riverbend-outpatient") == []


def test_mutual_help_groups_have_a_door_too_so_that_silence_can_be_seen() -> None:
    with partner.running() as partners:
        assert "IOP_PARTNER_URL_ALCOHOLICS_ANONYMOUS" in partners.environment()
