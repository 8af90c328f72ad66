"""Mutual-help meetings: read from public feeds, matched to a patient here. Nothing about a patient leaves."""
