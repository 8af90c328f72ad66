"""The contract: what the services say to one another, how it is written as FHIR and read again. Pure."""
