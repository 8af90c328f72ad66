"""Rules that more than one service decides by. Pure: no clock, no table, no network."""
