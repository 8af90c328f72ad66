"""Testing decides what a drug test means for one patient: baseline, expected, unexpected, or not to be graded.

It never decides what follows from it: a person does, and no result here changes a placement or ends a stay.
"""
