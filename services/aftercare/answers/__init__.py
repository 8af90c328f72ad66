"""Whom a referral came from or went to, and what they answer: by their client, or by a page behind a link."""
