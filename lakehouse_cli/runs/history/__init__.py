"""The history of runs: each run's events as one file of JSON Lines.

The files are ``.lakehouse/runs/<run id>.jsonl`` in the project's folder; docs/history.md has their schema. A run loads
only `history.writing`, queries `history.reading`.
"""
