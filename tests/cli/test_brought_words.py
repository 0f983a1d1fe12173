"""Words for parts of a table that people bring from other tools: each has a hint, which works."""

from __future__ import annotations

from tests.conftest import Cli, ProjectFolder

ADD = "to add what is new and keep the rest, give its source a pattern such as `path: raw/sales_*`"
CHANGE = "to replace what has changed and keep the rest"
REPLACE = "remove it: what a run computes replaces what was stored"
FORMER = "to keep what was there before"
PARTS = "to compute and store it in parts, write `partitions: [day]`"
KIND = "remove it, and write `partitions: [day]`, or `[file]` where its source is files"
#: What the hint on each begins with, of those that stand in a table.
OF_TABLE = {
    ADD: """append: true; incremental: true; write: append; write: {mode: append}; mode: append; write_mode: append
        incremental_strategy: append; saveMode: append; if_exists: append; append-only: true; new: true""",
    CHANGE: """merge: [id]; upsert: true; unique_key: id; write: merge; write: {upsert: {latest: v}}; merge_key: id
        incremental_strategy: delete+insert; write_disposition: merge; materialized: merge; insert_overwrite: true""",
    REPLACE: "write: replace; mode: overwrite; materialized: table; +materialized: view; overwrite: true",
    FORMER: "write: history; snapshot: true; scd_type: 2",
    PARTS: "partition_by: v; partitionBy: v; partition_columns: [v]; partitions_def: daily; partition: day",
    "remove it: each table is stored; to compute what is new alone": "materialized: incremental",
    KIND: """kind: incremental; kind: INCREMENTAL_BY_TIME_RANGE; kind: merge; kind: append; kind: SCD_TYPE_2
        kind: {name: INCREMENTAL_BY_UNIQUE_KEY, unique_key: id}""",
    "remove it: a table is `computed` where it says nothing": "kind: FULL; kind: view",
    "write `key: [id]`": "primary_key: id",
    "write `order_by: [id]`": "cluster_by: v",
}
FILES = "path: s_*, columns: {id: int64, v: int64}"


def project(table: str, *, source: str = FILES, top: str = "", storage: str = "") -> str:
    return f"""name: words
module: transforms
storages: {{default: {{root: data{storage}}}}}
{top}
tables:
  s: {{kind: source, {source}}}
  t: {{{table}}}
"""


def test_words_of_other_tools_have_hints(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("transforms.py", "def t(s):\n    return s\n")
    words = {
        word.strip(): hint for hint, some in OF_TABLE.items() for line in some.splitlines() for word in line.split(";")
    }
    told = f"it is said of a table: {ADD}"
    written = {
        **{project(f"inputs: [s], {word}"): hint for word, hint in words.items()},
        project("inputs: [s]", source=f"{FILES}, incremental: true"): ADD,
        project("inputs: {s: {new: true}}"): "remove it, give the table `partitions: [file]`",
        project("inputs: {s: {table: s, append: true}}"): "remove it, give the table `partitions: [file]`",
        project("inputs: {s: {table: s, partition_by: v}}"): "write `partitions: [day]` in the table itself",
        project("inputs: [s], columns: {id: {type: int64, merge_key: true}}"): "write `key: [id]` in the table itself",
        project("inputs: [s], columns: {id: {type: int64, partition: true}}"): "write `partitions: [day]` in the table",
        project("inputs: [s]", storage=", mode: append"): told,
        project("inputs: [s]", storage=", options: {write_mode: append}"): told,
        project("inputs: [s]", storage=", options: {partitionBy: v}"): f"it is said of a table: {PARTS}",
        project("inputs: [s], options: {merge: true}"): f"it is said of a table: {CHANGE}",
        project("inputs: [s]", top="incremental: true"): told,
        project("inputs: [s]", top="partitions: [day]"): f"it is said of a table: {PARTS}",
        project("inputs: [s]", top="execution: {write: append}"): told,
        project("inputs: [s]", top="environments: {prod: {append: true}}"): told,
        project("inputs: [s]", top="defaults: {write: merge}"): CHANGE,
    }
    assert len(written) > 50
    for text, hint in written.items():
        folder.write("lakehouse.yaml", text)
        refused = cli("validate")
        assert (refused.code, f"^  {hint}" in refused.err) == (3, True), text + refused.err


def test_hints_on_words_of_other_tools_work(folder: ProjectFolder, cli: Cli) -> None:
    """New files are added, changed ones replaced, and the rest is not computed again."""
    folder.write("transforms.py", "def t(s):\n    return s\n")
    for table, source, top in (
        ("inputs: [s], partitions: [file]", FILES, ""),
        (
            "inputs: [s], partitions: [day], key: [day, id], columns: {day: string, id: int64, v: int64}",
            'path: "s_{day:%Y-%m-%d}", columns: {id: int64, v: int64}',
            "dimensions: {day: {every: day}}",
        ),
    ):
        folder.write("lakehouse.yaml", project(table, source=source, top=top))
        folder.write("data/s_2024-01-01.csv", "id,v\n1,1\n")
        assert cli("run").code == 0
        folder.write("data/s_2024-01-02.csv", "id,v\n2,2\n")
        folder.write("data/s_2024-01-01.csv", "id,v\n1,11\n")
        assert cli("run").code == 0
        assert [(row["id"], row["v"]) for row in cli("show", "t", "-o", "json").json["rows"]] == [(1, 11), (2, 2)]
        (folder.path / "data/s_2024-01-02.csv").unlink()
        assert cli("clean", "--yes").code == 0
