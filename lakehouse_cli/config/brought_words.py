"""What to do in the place of words for parts of a table that people bring from dbt, SQLMesh, Dagster, Spark and dlt."""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping

from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar

_BY_FILE = "give its source a pattern such as `path: raw/sales_*`, and write `partitions: [file]`"
_BY_PERIOD = "`partitions: [day]`, with `day: {every: day}` under `dimensions:`"
_IN_PARTS = f"to compute and store it in parts, write {_BY_PERIOD}; their folders follow from that"
_ADD = f"to add what is new and keep the rest, {_BY_FILE}: each file is computed once, and again when it changes"
_CHANGE = (
    f"to replace what has changed and keep the rest, {_BY_FILE}, or {_BY_PERIOD};"
    " `key: [day, id]` names the columns that identify a row"
)
_REPLACE = "remove it: what a run computes replaces what was stored"
_FORMER = f"to keep what was there before, write {_BY_PERIOD}: each day keeps its rows"
#: Words whose value says what is meant, and what values of them mean.
_MODES = (
    *("write", "write_mode", "write_disposition", "mode", "save_mode", "if_exists", "strategy"),
    *("incremental_strategy", "kind", "materialized", "materialization"),
)
_VALUES = {
    **dict.fromkeys(("replace", "overwrite", "table", "view", "full", "truncate", "ephemeral", "embedded"), _REPLACE),
    **dict.fromkeys(
        ("merge", "upsert", "delete+insert", "delete_insert", "insert_overwrite", "incremental_by_unique_key"), _CHANGE
    ),
    **dict.fromkeys(("history", "snapshot", "scd", "scd2", "scd_type_2", "scd_type_2_by_time"), _FORMER),
}
#: By the word, of a table.
TABLE_WORDS = {
    **dict.fromkeys(
        (
            *("partition", "partition_by", "partitioned_by", "partition_keys", "partition_key", "partition_cols"),
            *("partition_columns", "partition_on", "partitioning", "partitions_def", "partitions_definition"),
        ),
        _IN_PARTS,
    ),
    **dict.fromkeys((*_MODES[:-3], "append", "append_only", "incremental", "new", "watermark", "cursor"), _ADD),
    **dict.fromkeys(("merge", "upsert", "unique_key", "unique_keys", "merge_on", "insert_overwrite"), _CHANGE),
    **dict.fromkeys(("merge_key", "merge_keys", "dedupe", "deduplicate"), _CHANGE),
    **dict.fromkeys(("primary_key", "primary_keys"), "write `key: [id]`: the columns that identify a row"),
    **dict.fromkeys(
        ("materialized", "materialization"),
        f"remove it: each table is stored; to compute what is new alone, {_BY_FILE}",
    ),
    "overwrite": _REPLACE,
    **dict.fromkeys(("snapshot", "scd", "scd_type"), _FORMER),
    **dict.fromkeys(
        ("cluster_by", "clustered_by", "sort_by", "sorted_by", "bucket_by"),
        "write `order_by: [id]`: rows are stored in that order",
    ),
    "config": "write what it holds as keys of the table itself",
    **dict.fromkeys(("cron", "schedule"), "remove it: what starts `lakehouse run`, such as cron, says when"),
    "lookback": "remove it: a partition is computed again when its input changes, however late; a function gets the two"
    " days before as well by `inputs: {daily: {table: daily, at: {day: [-2, 0]}}}`",
    **dict.fromkeys(
        ("batch_size", "interval_unit"),
        f"write {_BY_PERIOD}: each day is a batch; `lakehouse run --max-partitions 10` makes ten of them",
    ),
    **dict.fromkeys(
        ("event_time", "time_column"),
        f"write {_BY_PERIOD}; of an input without partitions it gets the rows of its day by"
        " `inputs: {events: {table: events, within: {column: ts}}}`",
    ),
    **dict.fromkeys(("begin", "start"), "write it under `dimensions:`, as in `day: {every: day, start: 2024-01-01}`"),
    "end": "write it under `dimensions:`, as in `day: {every: day, end: 2024-12-31}`",
    "forward_only": "write `on_code_change: new`: partitions that are stored stay when the code changes",
    "full_refresh": "remove it: `lakehouse run --force NAME` computes all of a table",
}
# Of these nothing else is meant wherever they stand.
_ELSEWHERE = frozenset(
    (
        *("append", "append_only", "incremental", "incremental_strategy", "insert_overwrite", "materialization"),
        *("materialized", "merge", "merge_key", "merge_keys", "mode", "overwrite", "partition_by", "partition_columns"),
        *("partition_cols", "partitioned_by", "partitioning", "partitions", "partitions_def", "primary_key"),
        *("save_mode", "unique_key", "upsert", "write", "write_disposition", "write_mode"),
    )
)


def plain_word(name: str) -> str:
    """A word as it is looked up: `+partitionBy` as `partition_by`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removeprefix("+")).lower().replace("-", "_")


def word_hint(words: AnyMapping[str, str], name: str, value: Node) -> str | None:
    """What to do in the place of a key, by its value where that says what is meant.

    Args:
        words: By the word, those of the place where it stands.
        name: The key.
        value: Its value.
    """
    word = plain_word(name)
    hint = words.get(name) or words.get(word)
    if words is TABLE_WORDS:
        return (_value_hint(value) if word in _MODES else None) or hint
    if hint is None and word in _ELSEWHERE:
        of_table = TABLE_WORDS.get(word, _IN_PARTS)
        return f"it is said of a table: {(_value_hint(value) if word in _MODES else None) or of_table}"
    return hint


def _value_hint(value: Node) -> str | None:
    if isinstance(value, Mapping) and len(value.entries) == 1:
        return _VALUES.get(next(iter(value.entries)).lower())
    return _VALUES.get(value.text.lower()) if isinstance(value, Scalar) else None


def kind_hint(hints: AnyMapping[str, str], value: Node) -> str | None:
    """What to do in the place of a `kind` as SQLMesh writes it: in capitals, or as a map with a name."""
    named = value.get("name") if isinstance(value, Mapping) else value
    return hints.get(plain_word(named.text)) if isinstance(named, Scalar) else None
