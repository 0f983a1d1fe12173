"""Copies of stored tables and their manifests. See `copying.tables`."""

from lakehouse_cli.operations.copying.results import CopiedTable, CopyResult
from lakehouse_cli.operations.copying.tables import copy_tables

__all__ = ["CopiedTable", "CopyResult", "copy_tables"]
