"""The screen that the laboratory does of whatever is ordered: twelve analytes, and whether the specimen is valid."""

from typing import NamedTuple


class Analyte(NamedTuple):
    """`cutoff` in ng/mL: as the HHS mandatory guidelines have it, where they name the analyte; else a usual one
    (unverified). `known_as` is what a person may call it, too. Nothing here is a rule of the hub."""

    name: str
    loinc: str
    title: str
    cutoff: int
    known_as: tuple[str, ...] = ()

    def is_called(self, name: str) -> bool:
        """By its name, a usual one or its LOINC code, in whatever case."""
        return name.lower() in (self.name, self.loinc, *self.known_as)


ANALYTES = (
    Analyte("amphetamines", "19261-7", "Amphetamines Ur Ql Scn", 500),
    Analyte("barbiturates", "19270-8", "Barbiturates Ur Ql Scn", 200),
    Analyte("benzodiazepines", "14316-4", "Benzodiaz Ur Ql Scn", 200),
    Analyte("benzoylecgonine", "14314-9", "BZE Ur Ql Scn", 150, ("cocaine",)),
    Analyte("buprenorphine", "93494-3", "Buprenorphine Ur Ql Scn", 5),
    Analyte("cannabinoids", "18282-4", "Cannabinoids Ur Ql Scn", 50, ("cannabis", "marijuana", "thc")),
    Analyte("fentanyl", "59673-4", "fentaNYL Ur Ql Scn", 1),
    Analyte("methadone", "19550-3", "Methadone Ur Ql Scn", 300),
    Analyte("methamphetamine", "19554-5", "Methamphet Ur Ql Scn", 500),
    Analyte("opiates", "19295-5", "Opiates Ur Ql Scn", 2000),
    Analyte("oxycodone", "19642-8", "oxyCODONE Ur Ql Scn", 100),
    Analyte("phencyclidine", "19659-2", "PCP Ur Ql Scn", 25, ("pcp",)),
)
VALIDITY = (
    ("2161-8", "Creat Ur-mCnc", "85", "mg/dL", "20-400"),
    ("5811-5", "Sp Gr Ur Strip", "1.015", "", "1.003-1.030"),
    ("5803-2", "pH Ur Strip", "6.2", "", "4.5-9.0"),
)
"""LOINC, title, figure, unit and reference range of a specimen with which nothing is wrong."""


def analyte(name: str) -> Analyte | None:
    """The one that is called so."""
    return next((each for each in ANALYTES if each.is_called(name)), None)
