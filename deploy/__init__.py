"""Everything about running the hub: Kafka, PostgreSQL, keys, issuer, the runner and the `iop` commands.

Services are run as processes; this package never imports one.
"""
