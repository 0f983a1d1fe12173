"""Tables side by side: columns, counts and rows. See `lakehouse_cli.operations.comparing.tables`."""

from lakehouse_cli.operations.comparing.results import (
    ChangedRow,
    ComparedTable,
    Comparison,
    RowDifference,
    SchemaDifference,
)
from lakehouse_cli.operations.comparing.tables import compare_environments, compare_recomputed

__all__ = [
    "ChangedRow",
    "ComparedTable",
    "Comparison",
    "RowDifference",
    "SchemaDifference",
    "compare_environments",
    "compare_recomputed",
]
