"""Contracts written from data: `lakehouse init --from-data`."""
