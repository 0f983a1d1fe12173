"""Exact conversion between Arrow types; what would lose something is refused, with row and value."""
