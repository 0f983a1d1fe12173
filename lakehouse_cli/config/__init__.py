"""YAML text → `ProjectSpec`, every problem with its place; `validation` judges a project from wherever it comes."""

from lakehouse_cli.config.loading import LoadedSpec, load_project

__all__ = ["LoadedSpec", "load_project"]
