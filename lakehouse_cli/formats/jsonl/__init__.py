"""JSON Lines, an object a row (https://jsonlines.org), typed by the declared columns and exact."""

from lakehouse_cli.formats.jsonl.format import JsonlFormat

__all__ = ["JsonlFormat"]
