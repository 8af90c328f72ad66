"""What a list should look like for one patient: coarse facts and their own preferences, as codes. Pure."""

from collections.abc import Iterable

import msgspec

WISHED_TYPES = {
    "women": frozenset({"W"}),
    "men": frozenset({"M"}),
    "young-people": frozenset({"Y"}),
    "lgbtq": frozenset({"LGBTQ", "G", "L", "BI", "T"}),
    "secular": frozenset({"A"}),
}
"""Whom a meeting is for, by the patient's own word, as type codes of the Meeting Guide format."""
OTHER_WISHES = frozenset({"wheelchair", "attendance-proof", "online", "evening"})
CODES = OTHER_WISHES | WISHED_TYPES.keys()
FELLOWSHIP, LANGUAGE = "fellowship:", "language:"
"""Before the code of a fellowship or a language, where it stands among the codes of wishes."""
WISHES_MOST = 12
FELLOWSHIPS = frozenset(
    {"aa", "na", "smart", "recovery-dharma", "lifering", "women-for-sobriety", "celebrate-recovery"}
)
SECULAR_FELLOWSHIPS = frozenset({"smart", "lifering"})
FOR_WOMEN = "women-for-sobriety"
"""A fellowship of women alone."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Coarse facts only. `language` is a BCP 47 code, `zone` the patient's (tz database; empty where it is not known),
    `place` degrees of latitude and longitude rounded to 0.05, `people` what the patient wishes of WISHED_TYPES,
    `gender` the record's (`female`, `male`, else empty)."""

    newcomer: bool = False
    dual_diagnosis: bool = False
    attendance_proof: bool = False
    wheelchair: bool = False
    telehealth: bool = False
    evening: bool = False
    language: str = "en"
    zone: str = ""
    area: str | None = None
    state: str | None = None
    place: tuple[float, float] | None = None
    people: tuple[str, ...] = ()
    gender: str = ""
    fellowships: tuple[str, ...] = ()

    @property
    def wished_types(self) -> frozenset[str]:
        return frozenset[str]().union(*(WISHED_TYPES[each] for each in self.people if each in WISHED_TYPES))

    @property
    def belongs_to(self) -> frozenset[str]:
        """Of women's and men's meetings those that are open to this patient: by their own word, else by the record's
        gender. Of whom neither is known, none: it is never guessed."""
        own = {each for each in ("women", "men") if each in self.people}
        return _types(own) if own else _types({"female": ["women"], "male": ["men"]}.get(self.gender, []))


def _types(people: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*(WISHED_TYPES[each] for each in people))
