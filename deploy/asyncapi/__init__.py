"""docs/asyncapi.json: the topics as an AsyncAPI 3.0 document, made from the catalogue, topics.toml and what each event
writes. `python -m deploy.asyncapi` prints it.
"""
