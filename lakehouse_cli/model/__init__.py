"""The project as frozen values. See `lakehouse_cli.model.project` and `lakehouse_cli.model.column_type`."""

from lakehouse_cli.model.column_type import ColumnType, ColumnTypeError, parse_column_type
from lakehouse_cli.model.project import (
    DEFAULT_ENVIRONMENT,
    Column,
    EnvironmentSpec,
    FunctionRef,
    ProjectSpec,
    StorageSpec,
    Table,
    Uses,
)

__all__ = [
    "DEFAULT_ENVIRONMENT",
    "Column",
    "ColumnType",
    "ColumnTypeError",
    "EnvironmentSpec",
    "FunctionRef",
    "ProjectSpec",
    "StorageSpec",
    "Table",
    "Uses",
    "parse_column_type",
]
