"""The pages of docs/ that are made from the code: errors, settings, metrics, and the catalogue of events.

`python -m deploy.documents` renews all of them, `python -m deploy.documents errors` prints one.
"""
