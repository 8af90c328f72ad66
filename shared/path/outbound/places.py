"""How many referrals a partner has open: one with a `capacity` in partners.toml is sent no more than that of a program.

They are counted in the transaction that enters a send into the books, one at a time for each partner, so that of two
patients who are sent to the last place one is. What was begun counts until it is over, whatever is known of it.
"""

from datetime import datetime, timedelta

import msgspec

from shared.events import codes, fhir
from shared.events.aftercare import ANSWERED_DAYS_MOST
from shared.platform.db import Connection
from shared.rules.consent import Partner

_IN_TURN = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
_TURNS = 76
"""The space of the advisory locks of those who are sent to the same partner."""
# By the partner in the Task's text first: it is the program's whole list of what is not over. What is prepared or on
# hold is open with the partner only where the books hold a send of it.
_OPEN = """SELECT count(*) FROM resources t WHERE t.program = $1 AND t.type = 'Task'
    AND t.status IN ('accepted', 'draft', 'in-progress', 'on-hold', 'received', 'requested')
    AND t.updated_at > $5 AND strpos(t.body, $2) > 0
    AND t.body::jsonb @> $3::jsonb AND NOT t.body::jsonb @> '{"businessStatus": {"coding": [{"code": "attended"}]}}'
    AND t.body::jsonb #>> '{focus,reference}' <> $4
    AND (t.status NOT IN ('draft', 'on-hold') OR EXISTS (SELECT 1 FROM resources a
        WHERE a.patient = t.patient AND a.type = 'AuditEvent' AND a.program = $1
        AND a.body::jsonb #>> '{subtype,0,code}' IN ('attempted', 'made', 'withheld-after-attempt')
        AND a.body::jsonb @> jsonb_build_object('entity', jsonb_build_array(
            jsonb_build_object('what', t.body::jsonb -> 'focus')))))"""


async def in_turn(connection: Connection, partner: Partner) -> None:
    """Until this transaction ends nobody else enters a send to this partner, where its places are counted."""
    if partner.capacity is not None:
        await connection.execute(_IN_TURN, _TURNS, partner.name)


async def are_taken(connection: Connection, partner: Partner, program: str, focus: str, now: datetime) -> bool:
    """Whether it has as many as it takes, beside the one of this focus; `now` is clinic time."""
    if partner.capacity is None:
        return False
    owner = {
        "owner": fhir.logical(codes.PARTNER, partner.name),
        "code": fhir.concept(codes.TASK, "referral"),
    }
    asked = (f'"{partner.name}"', msgspec.json.encode(owner).decode(), focus, now - timedelta(days=ANSWERED_DAYS_MOST))
    count: int = await connection.fetchval(_OPEN, program, *asked)
    return count >= partner.capacity
