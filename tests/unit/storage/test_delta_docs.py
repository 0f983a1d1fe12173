"""docs/delta.md: its example loads, its options are those there are, its types are stored or refused as it says."""

from __future__ import annotations

import re
from pathlib import Path

from lakehouse_cli.config import load_project
from lakehouse_cli.model import parse_column_type
from lakehouse_cli.storage_types.delta import DELTA

DOCS = (Path(__file__).parents[3] / "docs" / "delta.md").read_text("utf-8")


def test_the_example_loads(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[0]
    (tmp_path / "lakehouse.yaml").write_text(f"name: docs\n{example}tables: {{}}\n", "utf-8")
    loaded = load_project(tmp_path / "lakehouse.yaml", {})
    assert loaded.problems == ()
    assert {spec.type for name, spec in loaded.spec.storages.items() if name != "default"} == {"delta"}


def test_every_option_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", DOCS.split("## Options")[1], re.MULTILINE)
    assert {name for row in rows for name in re.findall("`(.+?)`", row)} == {option.name for option in DELTA.options}


def test_types_are_refused_as_documented() -> None:
    assert DELTA.refusal is not None
    refused = re.search(r"^\| (.*) \| refused when", DOCS, re.MULTILINE)
    assert refused is not None
    for name in re.findall("`(.+?)`", refused[1]):
        whole = {"time32": "time32[s]", "time64": "time64[us]", "duration": "duration[s]"}.get(name, name)
        assert DELTA.refusal(parse_column_type(whole)) is not None
    for name in ("uint8", "uint16", "uint32", "timestamp[s]", "timestamp[ms, tz=Asia/Tokyo]", "dictionary<string>"):
        assert DELTA.refusal(parse_column_type(name)) is None
