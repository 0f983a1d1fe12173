"""docs/formats.md lists every option of every format with its default, and its examples load."""

from __future__ import annotations

import json
import re
from pathlib import Path

from lakehouse_cli.config import load_project
from lakehouse_cli.formats import FORMATS, FormatOption
from tests.cases import each_case

DOCS = (Path(__file__).parents[3] / "docs" / "formats.md").read_text("utf-8")
SECTIONS = {"parquet": "Parquet", "ipc": "Arrow IPC", "jsonl": "JSON Lines", "json": "JSON", "excel": "Excel"}
OPTIONS = [(name, option) for name in SECTIONS for option in FORMATS[name].options]


@each_case(("name", "option"), OPTIONS)
def test_every_option_is_documented_with_its_default(name: str, option: FormatOption) -> None:
    section = DOCS.split(f"\n## {SECTIONS[name]}\n")[1].split("\n## ")[0]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{option.name}` |"))
    default = row.rstrip(" |").rpartition("|")[2].strip()
    if option.default is None:
        assert default
        assert "`" not in default
    else:
        text = option.default if isinstance(option.default, str) else json.dumps(option.default)
        assert default == f"`{text}`"
    for value in option.schema.get("enum", ()):
        assert f"`{value}`" in row


def test_every_format_is_documented() -> None:
    table = DOCS.split("| format | file |")[1].split("\n\n")[0]
    for name, spec in FORMATS.items():
        row = next(line for line in table.splitlines() if line.startswith(f"| `{name}` |"))
        assert f"| `{spec.suffix}` | yes | {'yes' if spec.writable else 'no'} |" in row
        assert spec.install is None or f"`{spec.install}`" in row


def test_the_example_loads(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[0]
    (tmp_path / "lakehouse.yaml").write_text(f"name: example\nmodule: transforms\n{example}", "utf-8")
    loaded = load_project(tmp_path / "lakehouse.yaml", {})
    assert loaded.problems == ()
    assert {table.name: table.format for table in loaded.spec.tables.values()} == {"prices": "excel", "report": "csv"}
    assert dict(loaded.spec.tables["report"].options) == {}
