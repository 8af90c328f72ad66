"""The codes of consents and disclosures as a patient reads them. No code is ever printed: one that has no words yet is
spelled without its hyphens.
"""

from collections.abc import Mapping

from shared.rules.consent import LACKS

FIELDS: Mapping[str, str] = {
    "name": "your name",
    "phone": "your telephone number",
    "area": "the town and state you live in",
    "birth-date": "your date of birth",
    "sex": "your sex as it is recorded",
    "identifier": "the number you have at the program",
    "referral-state": "where the referral stands",
    "attendance": "whether you are in treatment",
    "completion": "whether you completed treatment",
}
PURPOSES: Mapping[str, str] = {
    "TREAT": "your treatment",
    "HPAYMT": "the payment of your treatment",
    "HOPERAT": "running the program",
    "COORD": "coordinating your care",
    "alumni": "taking part in the alumni group",
    "recovery-residence": "a place in a recovery residence",
    "criminal-justice": "your case in court",
    "mutual-help": "mutual help",
    "ETREAT": "your treatment in an emergency",
}
KINDS: Mapping[str, str] = {
    "program-ehr": "the program's own record system",
    "treating-provider": "a treating provider",
    "alumni-group": "an alumni group",
    "recovery-residence": "a recovery residence",
    "peer-organization": "a peer organization",
    "named-person": "a person you named",
    "court-or-probation": "a court or probation office",
    "laboratory": "a laboratory that tests for the program",
    "mutual-help-group": "a mutual-help group",
}
RESULTS: Mapping[str, str] = {
    "made": "It was sent and received.",
    "attempted": "It was sent; whether it was received is not known.",
    "refused": "It was sent, and not accepted.",
    "gave-up": "It was tried several times, without an answer; it may have been received.",
    "not-sent": "Nothing was sent: the receiver could not be reached.",
    "emergency": "Medical personnel were told by a member of the staff; the law asks no consent for it (42 CFR 2.51)",
    "emergency-mistaken": "Nobody was told: that medical personnel were told in an emergency was recorded by mistake.",
    "withheld": "Nothing was sent",
    "withheld-after-attempt": "It was sent before, and may have been received; then nothing more was sent",
}
REASONS: Mapping[str, str] = {
    "no-consent-names-this-partner": "no consent of yours names the receiver",
    "consent-for-another-purpose": "your consent is for another purpose",
    "consent-revoked": "you took your consent back",
    "consent-denied": "you said no to it",
    "consent-restricted": "you said no to a part that the receiver needs",
    "consent-expired": "your consent had ended",
    "consent-not-yet-in-force": "your consent had not begun",
    "consent-without-expiry": "your consent says no day on which it ends",
    "consent-without-event": "your consent names no event with which it ends",
    "consent-not-for-this-alone": "a consent to a court has to be for that alone",
    "consent-lacks-a-field": "your consent does not cover what the receiver needs",
    "consent-combines-counseling-notes": "a consent to counseling notes has to be for these alone",
    "counseling-notes-never-sent": "your consent is to counseling notes, which are not sent",
    "mutual-help-receives-nothing": "mutual-help groups are never told anything",
    "partner-full": "the receiver had no place left",
    "to-be-printed": "it is printed for you to carry, not sent",
    "partner-listed-no-more": "the program does not work with the receiver any more",
    "quarantined": "the hub could not read it any more",
    "partner-of-another-program": "the receiver does not work with this program",
    "referral-withdrawn": "the referral had been taken back",
    "answer-withdrawn": "the answer had been taken back",
    "referral-state-unknown": "where the referral stands could not be said",
    "referral-number-unreadable": "the number of the referral could not be read",
    "order-ended": "the test was not asked for any more",
    "laboratory-has-no-such-panel": "the laboratory does not offer the test that was ordered",
    "overdose": "it was an overdose",
    "withdrawal": "it was severe withdrawal",
    "suicide-risk": "your life was in danger by yourself",
    "injury": "you were injured",
    "loss-of-consciousness": "you were not conscious",
    "pregnancy": "it was an emergency in pregnancy",
    "other": "it was another medical emergency",
}


def field(code: str) -> str:
    return FIELDS.get(code, _spelled(code))


def purpose(code: str) -> str:
    return PURPOSES.get(code, _spelled(code))


def kind(code: str) -> str:
    return KINDS.get(code, _spelled(code))


def partner(name: str) -> str:
    """As partners.toml names it: riverbend-house is Riverbend House."""
    return _spelled(name).title()


def result(code: str, reason: str) -> str:
    """A sentence or two."""
    known = RESULTS.get(code, f"{_spelled(code).capitalize()}.")
    return known if known.endswith(".") else f"{known}: {why(reason)}."


def why(reason: str) -> str:
    """Half a sentence."""
    if reason.startswith(LACKS):
        return f"the program does not know {field(reason.removeprefix(LACKS))}, which the receiver needs"
    return REASONS.get(reason, _spelled(reason))


def listed(words: list[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _spelled(code: str) -> str:
    return code.replace("-", " ").replace("_", " ").strip() or "not known"
