"""`GET Consent/$permitted`: what the gate would let each partner be told of a patient, and why not: its own rule, over
the ledger that it reads. What the Patient lacks only the release itself finds.
"""

from collections.abc import Iterator
from datetime import datetime

from services.aftercare.settings import Settings
from shared.edge.contract import Context
from shared.edge.json import MutableJson
from shared.path.transaction.consent_ledger import LedgerSnapshot
from shared.rules.consent import Partner, Permitted, as_receiver, as_referrer, may_disclose

REFERRAL, ANSWER = "referral", "answer"
"""For what a partner is told: the patient is referred to it, or its own referral is answered."""


def permitted(ledger: LedgerSnapshot, context: Context, at: datetime) -> MutableJson:
    """As Parameters: whether the gate knows enough to open at all, and each partner of the program."""
    settings: Settings = context.settings
    parameters: list[MutableJson] = [
        {"name": "current", "valueBoolean": ledger.current},
        {"name": "held", "valueBoolean": ledger.held},
        *(
            {"name": "partner", "part": list(_part(ledger, each, way, context, at))}
            for each in settings.partners
            for way in ((REFERRAL, ANSWER) if each.refers_as else (REFERRAL,))
            if way == ANSWER or each.serves or not each.refers_as
        ),
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


def _part(ledger: LedgerSnapshot, partner: Partner, way: str, context: Context, at: datetime) -> Iterator[MutableJson]:
    asked = as_referrer(partner) if way == ANSWER else as_receiver(partner)
    answer = may_disclose(ledger.consents, asked, context.program, at, ledger.revoked)
    yield {"name": "name", "valueCode": partner.name}
    yield {"name": "kind", "valueCode": partner.kind}
    yield {"name": "purpose", "valueCode": partner.purpose}
    yield {"name": "way", "valueCode": way}
    if isinstance(answer, Permitted):
        yield from ({"name": "field", "valueCode": each} for each in answer.fields)
        if answer.consent_id is not None:
            yield {"name": "consent", "valueReference": {"reference": f"Consent/{answer.consent_id}"}}
    else:
        yield {"name": "withheld", "valueCode": answer.reason}
    if answer.until is not None:
        yield {"name": "until", "valueInstant": answer.until.isoformat(timespec="seconds")}
