"""The ways out of a service: one lane a destination, the consent gate before every partner."""
