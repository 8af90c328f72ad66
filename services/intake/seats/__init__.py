"""The seats of a level of care, or of a track with seats of its own, and what patients ask of them."""
