"""Ordered drug tests: what the state holds of them, how random days are drawn, what FHIR says of them."""
