"""No form of the same answers gives a milder outcome than another (domain 2.7)."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from services.intake.instruments import INSTRUMENTS
from shared.events import codes
from shared.platform.keys import Keys
from tests.intake.test_interpret import PHQ_9, findings, interpreted, keys, loinc, response
from tests.laws import examples

__all__ = ["keys"]
FREQUENCY = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"]
TOTALS = {"44261-6": PHQ_9, "70274-6": list(INSTRUMENTS.sum["gad-7"].items)}

values = some.sampled_from(
    [
        lambda points: {"valueInteger": points},
        lambda points: {"valueDecimal": points},
        lambda points: {"valueString": str(points)},
        lambda points: {"valueCoding": {"system": codes.LOINC, "code": FREQUENCY[points]}},
    ]
)


def asked(total: str, points: Sequence[int], stated: int | None) -> list[tuple[str, int]]:
    """Each code with its points, the stated total at the end."""
    return [*zip(TOTALS[total], points, strict=True), *([] if stated is None else [(total, stated)])]


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    some.sampled_from(sorted(TOTALS)).flatmap(
        lambda total: some.tuples(
            some.just(total),
            some.lists(some.integers(0, 3), min_size=len(TOTALS[total]), max_size=len(TOTALS[total])),
            some.none() | some.integers(0, 21),
        )
    ),
    values,
)
def test_no_form_of_the_same_answers_is_read_milder_than_another(
    keys: Keys, answered: tuple[str, list[int], int | None], value: Any
) -> None:
    every = asked(*answered)

    def answer(code: str, points: int) -> dict[str, Any]:
        return {"valueInteger": points} if code in TOTALS else value(points)

    def observed(code: str, points: int) -> dict[str, Any]:
        form = answer(code, points)
        if "valueDecimal" in form:
            return {"valueQuantity": {"value": points}}
        return {"valueCodeableConcept": {"coding": [form["valueCoding"]]}} if "valueCoding" in form else form

    component = [{"code": {"coding": [{"system": codes.LOINC, "code": code}]}} | observed(code, n) for code, n in every]
    by_form = [
        findings(keys, response(*({"linkId": f"/{code}", "answer": [answer(code, n)]} for code, n in every))),
        findings(
            keys,
            response(
                *(
                    {"linkId": str(place), "definition": f"http://loinc.org/q/{code}", "answer": [answer(code, n)]}
                    for place, (code, n) in enumerate(every)
                )
            ),
        ),
        findings(keys, loinc("44249-1", component=component)),
        findings(keys, *(loinc(code, **observed(code, n)) for code, n in every)),
    ]
    assert all(each == by_form[0] for each in by_form)


def test_a_total_below_its_items_is_marked_and_the_items_count(keys: Keys) -> None:
    apart = [*(loinc(each, valueInteger=2) for each in PHQ_9), loinc("44261-6", valueInteger=5)]
    meaning = interpreted(keys, *apart)
    assert findings(keys, *apart)["phq-9"] == 18
    remarks = {issue.diagnostics for issues in meaning.remarks.values() for issue in issues}
    assert "read as phq-9: summed from its items; contradicts the stated total, the higher counts" in remarks
    higher = [*apart[:-1], loinc("44261-6", valueInteger=20)]
    assert findings(keys, *higher)["phq-9"] == 20
    assert interpreted(keys, *higher).stored == ()
