"""What to do where a source's file is there under another ending than its options say."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lakehouse_cli.formats import FORMATS, file_suffixes
from lakehouse_cli.model import Table

_SUFFIX = re.compile(r"\.[A-Za-z0-9_.]+")
_CODE = re.compile(r"\.(?:py|ya?ml|json)")
_TABS = (".tsv", ".tab")


def other_ending(table: Table, there: Iterable[str]) -> str | None:
    """Say which file is there and which option reads it, to follow the source's path; None where none can be.

    Args:
        table: A source whose file is missing.
        there: Endings of files that are there in its place.
    """
    for ending in there:
        if _SUFFIX.fullmatch(ending) and (option := _option(table, ending)):
            return f"{ending} is there: {option}"
    return None


def _option(table: Table, ending: str) -> str | None:
    spec = FORMATS[table.format]
    options = {name: value for name, value in table.options.items() if name != "compression"}
    if ending in file_suffixes(spec, options):
        return f"remove `compression: {table.options.get('compression')}` from its options"
    packed = next((each for each in (spec.compressions or {}).values() if ending.endswith(each)), "")
    suffix = ending.removesuffix(packed)
    other = next((name for name, each in FORMATS.items() if each is not spec and each.suffix == suffix.lower()), None)
    if other is not None:
        return f"set `format: {other}`" + (
            "" if suffix == FORMATS[other].suffix else f" and the option `suffix: {suffix}`"
        )
    if not suffix or _CODE.fullmatch(suffix):
        return None
    if table.format == "csv" and suffix.lower() in _TABS and "delimiter" not in table.options:
        return f'set `suffix: {suffix}` and `delimiter: "\\t"` in its options'
    return f"set `suffix: {suffix}` in its options"
