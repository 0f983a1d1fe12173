"""YAML text → `ProjectSpec`, every problem with its place; `validation` judges a project from wherever it comes."""

from lakehouse_cli.config.loading import LoadedSpec, load_project
from lakehouse_cli.config.schema import json_schema

__all__ = ["LoadedSpec", "json_schema", "load_project"]
