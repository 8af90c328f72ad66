"""What happens between delivery and commit: deduplicate, lock, decide, store."""
