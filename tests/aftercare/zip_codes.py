"""The table of ZIP codes, made from the package `zipcodes`: python -m tests.aftercare.zip_codes writes it anew.

Only what a lookup needs: the package holds 37 MB once it is used, the table 1 MB.
"""

from collections import defaultdict
from pathlib import Path
from zoneinfo import available_timezones

import zipcodes

from services.aftercare.zip_codes import STEPS

TABLE = Path(__file__).parents[2] / "services" / "aftercare" / "data" / "zip_codes.csv"


def rows() -> str:
    """Per first three digits the codes that have a place: last two digits, latitude and longitude in steps, state, and
    the number of a zone in the row of their zones."""
    zones_known, of_prefix = available_timezones(), defaultdict[str, list[dict[str, str]]](list)
    for each in zipcodes.list_all():  # type: ignore[no-untyped-call]
        if float(each["lat"]) and float(each["long"]) and each["timezone"] in zones_known:
            of_prefix[each["zip_code"][:3]].append(each)
    lines = ["prefix,zones,codes"]
    for prefix, found in sorted(of_prefix.items()):
        zones = sorted({each["timezone"] for each in found})
        codes = sorted(
            f"{each['zip_code'][3:]}:{round(float(each['lat']) * STEPS)}:{round(float(each['long']) * STEPS)}"
            f":{each['state']}:{zones.index(each['timezone'])}"
            for each in found
        )
        lines.append(f"{prefix},{' '.join(zones)},{' '.join(codes)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(rows(), "utf-8")
