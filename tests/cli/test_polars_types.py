"""Column types that polars does not hold."""

from __future__ import annotations

from tests.conftest import Cli, ProjectFolder


def test_offsets_that_polars_has_not_are_refused(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: small
        module: transforms
        tables:
          raw:
            kind: source
            columns:
              a: timestamp[us, tz=+05:30]
              b: list<timestamp[s, tz=-13:00]>
              c: timestamp[us, tz=-03:00]
          lazy: {inputs: [raw]}
          eager: {inputs: [raw]}
          arrow: {inputs: [raw]}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import polars as pl
        import pyarrow as pa

        def lazy(raw: pl.LazyFrame) -> pl.LazyFrame:
            return raw

        def eager(raw: pl.DataFrame) -> pl.DataFrame:
            return raw

        def arrow(raw: pa.Table) -> pa.Table:
            return raw
        """,
    )
    done = cli("validate", "-o", "json")
    problems = done.json["error"]["problems"]
    assert [(each["message"][-16:], each["line"]) for each in problems] == [
        (f"column `{name}` holds", line) for line in (4, 7) for name in "ab"
    ]
    assert "polars has no timestamp[us, tz=+05:30]" in problems[0]["message"]
    assert problems[1]["hint"].startswith("declare timestamp[s, tz=UTC] in its place")
