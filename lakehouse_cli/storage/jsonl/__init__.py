"""JSON Lines, an object a row (https://jsonlines.org), typed by the declared columns and exact."""

from lakehouse_cli.storage.jsonl.format import JsonlFormat

__all__ = ["JsonlFormat"]
