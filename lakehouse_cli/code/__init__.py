"""The user's code: its source, importing, what a run loads, and fingerprints."""
