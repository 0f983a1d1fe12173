"""What to do where a source's file is there under another ending than its options say."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lakehouse_cli.formats import FORMATS, FormatSpec, file_suffixes, form_of
from lakehouse_cli.formats.spec import TEXT_COMPRESSIONS
from lakehouse_cli.model import Table

_SUFFIX = re.compile(r"\.[A-Za-z0-9_.]+")
_TABS = (".tsv", ".tab")
# Other endings that files of a format have.
_FORMATS = {
    **dict.fromkeys(_TABS, "csv"),
    **dict.fromkeys((".pq", ".parq"), "parquet"),
    **dict.fromkeys((".feather", ".ipc"), "ipc"),
    **dict.fromkeys((".xlsm", ".xltx", ".xltm"), "excel"),
    ".ndjson": "jsonl",
}
# Endings of what no format reads.
_ARCHIVE = re.compile(r"\.(?:zip|xz|lzma|z|7z|rar|tar|tgz|tbz2|lz4|br|sz|snappy)")
_DATABASES = {".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite", ".duckdb": "duckdb", ".ddb": "duckdb"}
_UNREAD = re.compile(
    r"\.(?:xls|xlsb|ods|numbers|orc|avro|html?|xml|rds|rda|rdata|sav|dta|sas7bdat|xpt|pkl|pickle|npy|npz|h5|hdf5|mat|mdb"
    r"|accdb|dbf|pdf|docx?)"
)


def other_ending(table: Table, there: Iterable[str]) -> str | None:
    """Say which file is there and what reads it, to follow the source's path; None where nothing can.

    Args:
        table: A source whose file is missing.
        there: Endings of files that are there in its place; the one is named that needs the smallest change.
    """
    found = [(*advice, ending) for ending in there if _SUFFIX.fullmatch(ending) and (advice := _advice(table, ending))]
    if not found:
        return None
    _, hint, ending = min(found)
    return f"{ending} is there: {hint}"


def _advice(table: Table, ending: str) -> tuple[int, str] | None:
    """How far the file is from what is declared, and what to do; None where it is something else."""
    spec = form_of(table)
    options = {name: value for name, value in table.options.items() if name != "compression"}
    if ending in file_suffixes(spec, options):
        return 0, f"remove `compression: {table.options.get('compression')}` from its options"
    packed = next((each for each in TEXT_COMPRESSIONS.values() if ending.endswith(each)), "")
    suffix = ending.removesuffix(packed)
    last = f".{suffix.rpartition('.')[2].lower()}"
    if last in _DATABASES:
        return 4, f"if it is a database, read it by a storage of `type: {_DATABASES[last]}` whose `root:` is this file"
    if _UNREAD.fullmatch(last):
        return 4, f"no format reads such files: save it as {spec.suffix}"
    named = _FORMATS.get(last) or next((name for name, each in FORMATS.items() if each.suffix == last), None)
    form = spec if named is None or named == spec.name else FORMATS[named]
    if _ARCHIVE.fullmatch(last) or (packed and form.compressions is None):
        return 3, "unpack it"
    if form is not spec:
        return 2, _other_format(spec, form, suffix, last)
    if named is None and spec.typed:
        return None
    if not _accepts(spec, suffix):
        return (1, f"rename it to {table.path.rpartition('/')[2]}{suffix.lower()}") if named else None
    split = ' and `delimiter: "\\t"`' if last in _TABS and "delimiter" not in table.options else ""
    is_usual = named is not None or last in (".txt", ".dat")
    return 1 if is_usual else 3, f"set `suffix: {suffix}`{split} in its options"


def _other_format(declared: FormatSpec, form: FormatSpec, suffix: str, last: str) -> str:
    hint = f"set `format: {form.name}`"
    if suffix != form.suffix:
        split = ' and `delimiter: "\\t"`' if last in _TABS else ""
        hint += f" and the option `suffix: {suffix}`{split}"
    if {declared.name, form.name} == {"json", "jsonl"} and _accepts(declared, suffix):
        is_so = "has an object a line" if declared.name == "jsonl" else "is one array"
        return f"if it {is_so}, set `suffix: {suffix}` in its options; if not, {hint}"
    return hint


def _accepts(spec: FormatSpec, suffix: str) -> bool:
    """Whether the format's option takes an ending."""
    option = spec.option("suffix")
    return bool(suffix and option and re.fullmatch(option.schema["pattern"], suffix))
