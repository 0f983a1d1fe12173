"""Readers of a run's events: the progress table, the log, the JSON document."""
