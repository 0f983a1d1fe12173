"""docs/project-file.md names every key and option, and what it shows loads."""

from __future__ import annotations

import re
from pathlib import Path

from lakehouse_cli.config import load_project
from lakehouse_cli.config.keys import EXECUTION_KEYS, PROJECT_KEYS, SPARK_KEYS, STORAGE_KEYS, TABLE_KEYS
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.model import parse_column_type
from tests.cases import each_case

DOCS = (Path(__file__).parents[3] / "docs" / "project-file.md").read_text("utf-8")
OPTIONS = [option.name for spec in FORMATS.values() for option in spec.options]


@each_case("key", [*PROJECT_KEYS, *TABLE_KEYS, *STORAGE_KEYS, *EXECUTION_KEYS, *SPARK_KEYS, *OPTIONS])
def test_every_key_is_documented(key: str) -> None:
    assert f"`{key}`" in DOCS


def test_the_first_example_loads(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[0]
    (tmp_path / "lakehouse.yaml").write_text(example, "utf-8")
    loaded = load_project(tmp_path / "lakehouse.yaml", {})
    assert loaded.problems == ()
    assert list(loaded.spec.tables) == ["sfo_q2_weather_sample", "daily_temperature_highs"]


def test_documented_types_are_types() -> None:
    section = DOCS.split("## Column types")[1].split("`nullable` is")[0]
    names = [
        name.strip('"')
        for name in re.findall(r"\| [^|`]+ \| (.*) \|", section)
        for name in re.findall("`([^`]+)`", name)
    ]
    types = [name for name in names if not name.startswith(("[", "tz="))]
    assert len(types) > 25
    for name in types:
        parse_column_type(name)
