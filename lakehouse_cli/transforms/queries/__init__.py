"""Queries as computations: what DuckDB's parser finds in one, what it binds to, and its result."""
