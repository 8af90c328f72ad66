"""What every floor above stands on: PostgreSQL and its schema, clocks, settings, keys, log, metrics."""
