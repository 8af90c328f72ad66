"""What partners.toml must say of a laboratory that drug tests are ordered of, and what it can't say of it. Pure."""

import re

from shared.rules.consent import Partner
from shared.rules.partner_access import Access

DRUG_TEST = "drug-test"
"""The code of an order that asks for whatever the laboratory tests for by default."""
_ORDERED = re.compile(rf"{DRUG_TEST}|\d{{1,7}}-\d")
_TEXT = re.compile(r"[^|\\&~\x00-\x1f\x7f]*")
"""What stands in HL7 as it is, however it is delimited; `^` parts components."""
_OF_REFERRALS = ("serves", "offers", "refers_as", "capacity", "printed", "answer_days")
_OF_LABORATORIES = ("agreement", "form", "panels", "application", "facility", "assigning_authorities")
_NOTHING = Partner(name="", identifier="", kind="laboratory", programs=(), purpose="")
"""Of which nothing is said that need not be."""
_AUTHORITY = re.compile(r"[^|^\\&~\s\x00-\x1f\x7f]{1,20}")


def require_laboratory(partner: Partner) -> Partner:
    """That it is whole, or that nothing of it is said of another kind of partner. Raises ValueError."""
    if partner.kind != "laboratory":
        _require_nothing_of(_OF_LABORATORIES, partner, "only of kind laboratory")
        return partner
    _require_nothing_of(_OF_REFERRALS, partner, "not of kind laboratory, for nobody is referred to it")
    _require_panels(partner)
    _require_authorities(partner)
    if not all(_TEXT.fullmatch(each) for each in (partner.application, partner.facility)):
        raise ValueError("application, facility: must be without | \\ & ~ and control characters")
    if partner.form == "hl7-mllp":
        _require_mllp(partner)
    return partner


def _require_nothing_of(names: tuple[str, ...], partner: Partner, why: str) -> None:
    stated = [name for name in names if getattr(partner, name) != getattr(_NOTHING, name)]
    if stated:
        raise ValueError(f"{', '.join(stated)}: {why}")


def _require_panels(partner: Partner) -> None:
    if DRUG_TEST not in partner.panels:
        raise ValueError(f"panels.{DRUG_TEST} is missing: the laboratory's own code of the test that is ordered")
    for code, panel in partner.panels.items():
        if not _ORDERED.fullmatch(code):
            raise ValueError(f'panels."{code}": must be {DRUG_TEST}, or a LOINC code')
        if not _TEXT.fullmatch(panel) or not panel.partition("^")[0].strip():
            raise ValueError(
                f'panels."{code}": must be its code, text and coding system, parted by ^, without | \\ & ~ and control '
                "characters"
            )


def _require_authorities(partner: Partner) -> None:
    if ("identifier" in partner.fields) != bool(partner.assigning_authorities):
        raise ValueError("assigning_authorities: needed with identifier in fields, and of no use without it")
    if not all(_AUTHORITY.fullmatch(each) for each in partner.assigning_authorities):
        raise ValueError("assigning_authorities: must be names of 1 to 20 characters, without | ^ \\ & ~ and spaces")
    if not all(system.strip() for system in partner.assigning_authorities.values()):
        raise ValueError("assigning_authorities: must name the system of the identifiers")


def _require_mllp(partner: Partner) -> None:
    if not partner.application.strip():
        raise ValueError("application is missing: by which the laboratory is named in HL7 (MSH-5)")
    of_tls = Access(
        cert_file=partner.access.cert_file, key_file=partner.access.key_file, ca_file=partner.access.ca_file
    )
    if partner.access != of_tls:
        raise ValueError("access: of a partner over MLLP has cert_file, key_file and ca_file alone")
