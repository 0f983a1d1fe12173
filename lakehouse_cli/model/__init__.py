"""The project as frozen values. See `lakehouse_cli.model.project` and `lakehouse_cli.model.column_type`."""

from lakehouse_cli.model.column_type import ColumnType, ColumnTypeError, parse_column_type
from lakehouse_cli.model.project import Column, FunctionRef, ProjectSpec, StorageSpec, Table

__all__ = [
    "Column",
    "ColumnType",
    "ColumnTypeError",
    "FunctionRef",
    "ProjectSpec",
    "StorageSpec",
    "Table",
    "parse_column_type",
]
