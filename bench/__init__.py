"""What `make bench` runs: the goals of speed, each as a ratio to a floor, and what a unit costs in CPU.

The machine is whatever it is and shared with whoever else runs; so short slices of floor and reached take turns, the
median ratio of a round counts, and the absolute number is printed beside it. A change is judged by the CPU of a unit,
by process: that moves by hundredths where a rate moves by a third. Real Kafka, real PostgreSQL, fsync on; nothing is
left running or lying about.
"""
