"""Attendance decides which sessions are planned, held, missed or excused, and when that needs a person.

It never discharges anybody, and never concludes an absence from a silence while it was not listening.
"""
