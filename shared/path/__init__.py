"""The one path a word takes: inbox, keep, outbox, lanes, bus. Plumbing once, the same in every service."""
