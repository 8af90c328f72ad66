"""What `make bench` runs: the goals of speed, each as a ratio to a floor measured in the same run.

The machine is whatever it is and shared with whoever else runs; so the ratio counts, and the absolute number is said
beside it. Real Kafka, real PostgreSQL, fsync on; nothing is left running or lying about.
"""
