"""JSON Lines, an object a line, and JSON, one array of objects: text, an object a row."""

from __future__ import annotations

from lakehouse_cli.formats.csv.values import ValueOptions
from lakehouse_cli.formats.spec import TEXT_COMPRESSION, TEXT_COMPRESSIONS, FormatSpec, suffix_option
from lakehouse_cli.formats.value_options import VALUE_OPTIONS


class JsonlOptions(ValueOptions, frozen=True):
    """How a file of JSON Lines or JSON is read and written.

    Attributes:
        compression: ``none``, ``gzip``, ``bz2``, ``zstd``; None reads by suffix and writes plain.
    """

    compression: str | None = None


def _spec(name: str, implementation: str) -> FormatSpec:
    return FormatSpec(
        name=name,
        implementation=f"lakehouse_cli.formats.jsonl.format:{implementation}",
        suffix=f".{name}",
        options_class=f"{__name__}:JsonlOptions",
        compressions=TEXT_COMPRESSIONS,
        options=(TEXT_COMPRESSION, *VALUE_OPTIONS, suffix_option(f".{name}")),
    )


JSONL = _spec("jsonl", "JsonlFormat")
JSON = _spec("json", "JsonFormat")
