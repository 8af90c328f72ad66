"""From evidence to a recommended level of care: needs, levels, reasons, and what goes with the level that is signed."""
