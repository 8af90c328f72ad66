"""What of docs/ is made from the code: errors, settings, metrics, alerts, the catalogue of events, asyncapi.json.

`python -m deploy.documents` renews all of them, `python -m deploy.documents errors` prints one.
"""
