"""Intake decides who a patient is, which level of care the needs and facts recommend, and when signals from other
services ask for another look at it. It never places, admits, steps or discharges anyone: a clinician signs.
"""
