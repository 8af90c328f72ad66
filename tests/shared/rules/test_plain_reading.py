"""The gate against a plain reading that is written apart from it: nothing is sent that the reading forbids, and nothing
is withheld that it allows, whatever the papers say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as some

from shared.events.intake import ConsentDenied, ConsentGiven
from shared.rules.consent import Partner, Permitted, Withheld, may_disclose
from tests.laws import examples
from tests.shared.rules import plain_reading
from tests.shared.rules.plain_reading import Paper

DAY = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
WHO = ("the-clinic", "the-court", "the-house")
FIELDS = ("name", "phone", "area", "referral-state", "attendance", "completion", "counseling-notes")
PURPOSES = ("TREAT", "HPAYMT", "alumni")
KINDS = (
    "treating-provider",
    "alumni-group",
    "recovery-residence",
    "peer-organization",
    "named-person",
    "court-or-probation",
    "mutual-help-group",
)


def day(number: int) -> datetime:
    return DAY + timedelta(days=number)


def chosen(*of: str, least: int = 0) -> some.SearchStrategy[list[str]]:
    return some.lists(some.sampled_from(of), unique=True, min_size=least, max_size=3)


USUAL_FIELDS = some.sampled_from(
    [["name", "phone"], ["attendance", "completion"], ["name"], ["name", "phone", "area"], ["counseling-notes"]]
)
signed = some.integers(-6, 1).map(day)
yes = some.fixed_dictionaries(
    {
        "kind": some.just("yes"),
        "signed": signed,
        "names": some.just(["the-clinic"]) | chosen(*WHO),
        "classes": some.sampled_from([[], [], ["treating-provider"]]),
        "purposes": some.just(["TREAT"]) | chosen(*PURPOSES, least=1),
        "fields": USUAL_FIELDS | chosen(*FIELDS, least=1),
        "begins": some.none() | some.integers(-7, 2).map(day),
        "ends": some.none() | some.integers(-2, 400).map(day),
        "event": some.sampled_from(["", "supervision-ended"]),
        "revoked": some.sampled_from([False, False, False, True]),
    }
)
no = some.fixed_dictionaries(
    {
        "kind": some.just("no"),
        "signed": signed,
        "names": chosen(*WHO),
        "purposes": some.just([]) | chosen(*PURPOSES),
        "fields": some.just([]) | chosen(*FIELDS),
    }
)
papers = some.lists(yes | yes | no, max_size=4)
partners = some.fixed_dictionaries(
    {
        "identifier": some.sampled_from(WHO),
        "kind": some.sampled_from(KINDS),
        "purpose": some.sampled_from(PURPOSES),
        "fields": some.sampled_from([["name", "phone", "area"], ["attendance", "completion"]])
        | chosen(*FIELDS, "diagnosis"),
        "required": some.sampled_from([[], [], ["name"], ["phone"]]),
    }
)
A_YES: Paper = {
    "kind": "yes", "signed": day(-3), "names": ["the-court"], "classes": [], "purposes": ["TREAT"],
    "fields": ["name", "attendance"], "begins": None, "ends": day(90), "event": "supervision-ended", "revoked": False,
}  # fmt: skip
A_NO: Paper = {"kind": "no", "signed": day(-1), "names": [], "purposes": [], "fields": []}
COURT: dict[str, Any] = {
    "identifier": "the-court", "kind": "court-or-probation", "purpose": "TREAT", "fields": ["attendance"],
    "required": [],
}  # fmt: skip
OTHER = COURT | {"fields": ["name"]}
ALUMNUS = OTHER | {"kind": "treating-provider", "purpose": "alumni"}


def consent(number: int, paper: Paper) -> ConsentGiven | ConsentDenied:
    recipients, purposes, fields = (tuple(paper[each]) for each in ("names", "purposes", "fields"))
    if paper["kind"] == "no":
        return ConsentDenied(
            consent_id=str(number), recipients=recipients, purposes=purposes, denied_at=paper["signed"], fields=fields
        )
    return ConsentGiven(
        consent_id=str(number),
        recipients=recipients,
        purposes=purposes,
        fields=fields,
        given_at=paper["signed"],
        starts_at=paper["begins"],
        expires_at=paper["ends"],
        classes=tuple(paper["classes"]),
        ends_with=paper["event"],
    )


def by_the_gate(papers: list[Paper], partner: dict[str, Any]) -> Permitted | Withheld:
    known = [(consent(number, paper), paper.get("revoked", False)) for number, paper in enumerate(papers)]
    asked = Partner(name="partner", programs=("demo",), **{name: _tuple(each) for name, each in partner.items()})
    revoked = [each for each, is_revoked in known if is_revoked and isinstance(each, ConsentGiven)]
    return may_disclose([each for each, is_revoked in known if not is_revoked], asked, "demo", DAY, revoked)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@settings(max_examples=examples(600))
@given(papers, partners)
@example([A_YES, A_NO], COURT)
@example([A_YES | {"names": ["the-court", "the-house"]}], COURT)
@example(
    [A_YES, A_NO | {"fields": ["name"], "signed": A_YES["signed"]}],
    OTHER | {"kind": "named-person"},
)
@example(
    [A_YES, A_YES | {"fields": ["counseling-notes"], "signed": day(-2)}],
    OTHER | {"kind": "named-person"},
)
@example([A_YES | {"names": [], "classes": ["treating-provider"], "purposes": ["alumni"]}], ALUMNUS)
@example([A_YES, A_NO], OTHER | {"kind": "recovery-residence"})
@example([A_YES | {"event": ""}], COURT)
@example([A_YES, A_NO | {"fields": ["name"]}], OTHER | {"kind": "named-person"})
@example(
    [A_YES | {"names": [], "classes": ["treating-provider"], "ends": None}],
    OTHER | {"kind": "treating-provider"},
)
def test_the_gate_tells_exactly_what_a_plain_reading_allows(papers: list[Paper], partner: dict[str, Any]) -> None:
    allowed = plain_reading.allowed_fields(papers, partner, DAY)
    permitted = by_the_gate(papers, partner)
    assert (set(permitted.fields) if isinstance(permitted, Permitted) else None) == allowed


@settings(max_examples=examples(300))
@given(papers, partners, some.sampled_from(KINDS))
def test_no_partner_is_told_more_than_its_kind_whatever_the_papers_and_its_own_list_say(
    papers: list[Paper], partner: dict[str, Any], kind: str
) -> None:
    permitted = by_the_gate(papers, partner | {"kind": kind, "fields": [*FIELDS, "diagnosis"], "required": []})
    if isinstance(permitted, Permitted):
        assert set(permitted.fields) <= plain_reading.AT_MOST[kind]


def test_the_reading_allows_something_and_forbids_something() -> None:
    assert plain_reading.allowed_fields([A_YES], COURT, DAY) == {"attendance"}
    assert plain_reading.allowed_fields([], COURT, DAY) is None


def test_the_reading_imports_nothing_of_the_hub() -> None:
    lines = Path(plain_reading.__file__).read_text().splitlines()
    imports = [each for each in lines if each.startswith(("import ", "from "))]
    assert imports == ["from datetime import datetime", "from typing import Any"]
