"""The numbers of a program's settings, each within what a clinic can mean: what lies outside stops the start, by its
key. Without an upper bound a slip of the keyboard would be an instant that no calendar has."""

from typing import Annotated

from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=1_000)]
Minutes = Annotated[int, Meta(ge=1, le=525_600)]
MinutesOrNone = Annotated[int, Meta(ge=0, le=525_600)]
Hours = Annotated[int, Meta(ge=1, le=8_784)]
HoursOrNone = Annotated[int, Meta(ge=0, le=8_784)]
Days = Annotated[int, Meta(ge=1, le=3_660)]
DaysOrNone = Annotated[int, Meta(ge=0, le=3_660)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Miles = Annotated[int, Meta(ge=1, le=100)]
Tier = Annotated[int, Meta(ge=1, le=4)]
Weekday = Annotated[int, Meta(ge=0, le=6)]
"""0 is Monday."""
LocalTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM")]
Measured = Annotated[float, Meta(gt=0, le=100_000)]
"""What a laboratory measures; never NaN, by which nothing is ever found."""
