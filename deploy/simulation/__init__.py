"""A program simulated: patients come and go, their EHRs report it in three manners, and a log names all that was done.

`people` and `visits` decide by chance, the same way for the same seed; `feed` sends it through the public edges.
"""
