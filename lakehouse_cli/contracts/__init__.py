"""Holding data to their declared columns."""
