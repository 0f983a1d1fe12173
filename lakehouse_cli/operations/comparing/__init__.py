"""Comparisons of tables: columns, counts and rows. See `lakehouse_cli.operations.comparing.tables`."""

from lakehouse_cli.operations.comparing.results import ComparedTable, Comparison
from lakehouse_cli.operations.comparing.tables import compare_environments, compare_recomputed

__all__ = ["ComparedTable", "Comparison", "compare_environments", "compare_recomputed"]
