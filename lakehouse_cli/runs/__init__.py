"""Runs as a stream of events: history, lock, local state."""
