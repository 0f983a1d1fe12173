"""The history of runs: each run's events as one file of JSON Lines, and what is read off them.

The files are ``.lakehouse/runs/<run id>.jsonl`` in the project's folder; docs/history.md has their schema. A run loads
only `history.writing`, what asks about runs `history.reading`.
"""
