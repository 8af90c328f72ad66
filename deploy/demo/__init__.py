"""Twelve weeks of three synthetic patients on the stepped clock, driven only through the hub's public edges.

What is shown at the end is counted from Kafka and the databases, never from the script.
"""
