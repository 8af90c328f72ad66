"""The path of a delivery: inbound, one transaction, outbound. Plumbing once, the same in every service."""
