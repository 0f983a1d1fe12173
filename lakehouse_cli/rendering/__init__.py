"""Runs and graphs as people see them."""
