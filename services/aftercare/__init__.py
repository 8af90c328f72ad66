"""Decides what follows a discharge: the plan, the follow-ups, the meeting list, which partners are asked, and when.

It never decides whether a partner may be told (the consent gate does, at release); mutual-help groups get nothing.
"""
