"""The project as frozen values. See `lakehouse_cli.model.project` and `lakehouse_cli.model.column_type`."""

from lakehouse_cli.model.column_type import ColumnType, ColumnTypeError, parse_column_type
from lakehouse_cli.model.contract import Column, Contract
from lakehouse_cli.model.project import (
    DEFAULT_ENVIRONMENT,
    Asset,
    EnvironmentSpec,
    FunctionRef,
    Param,
    ProjectSpec,
    SparkSpec,
    SqlQuery,
    StorageSpec,
    Table,
    UnsetValue,
    Uses,
)

__all__ = [
    "DEFAULT_ENVIRONMENT",
    "Asset",
    "Column",
    "ColumnType",
    "ColumnTypeError",
    "Contract",
    "EnvironmentSpec",
    "FunctionRef",
    "Param",
    "ProjectSpec",
    "SparkSpec",
    "SqlQuery",
    "StorageSpec",
    "Table",
    "UnsetValue",
    "Uses",
    "parse_column_type",
]
