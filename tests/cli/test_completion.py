"""What shells complete, asked as their scripts ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import COMMAND
from tests.conftest import Cli, ProjectFolder

PROJECT = """
name: shop
module: transforms
include: [more/*.yaml]
params: {month: 2025-10, token: "${TOKEN:-x}"}
environments:
  prod: {storages: {default: {root: prod}}}
  dev:
    storages: {default: {root: dev}}
storages: {default: {root: data}, raw: {root: raw}}
dimensions: {month: {every: month}}
tables:
  orders: {kind: source, storage: raw, columns: {customer: string, amount: int64}}
  totals: {columns: {customer: string, total: int64}, tags: [daily, "north:east"]}
"""
Complete = Callable[..., list[str]]


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Complete:
    """Complete the last of some words, as bash gives them."""

    def ask(*words: str, code: int = 0) -> list[str]:
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, "rich", raising=False)
            patch.setenv("COMP_WORDS", "\n".join(("lakehouse", *words)))
            patch.setenv("COMP_CWORD", str(len(words)))
            patch.setenv("_LAKEHOUSE_COMPLETE", "complete_bash")
            answered = cli()
            assert (answered.code, answered.err) == (code, "")
            return answered.out.splitlines()

    return ask


@pytest.fixture
def shop(folder: ProjectFolder) -> ProjectFolder:
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("more/more.yaml", "tables:\n  model: {format: pickle, inputs: {x: totals}}\n")
    folder.write("transforms.py", "raise SystemExit('it is run')\n")
    return folder


def test_names_of_a_project_are_completed(shop: ProjectFolder, complete: Complete, cli: Cli) -> None:
    tables = ["orders", "totals", "model"]
    methods = ["tag:daily", "tag:north:east", "storage:raw", "storage:default"]
    methods += ["kind:source", "kind:computed", "state:modified", "state:new", "state:failed"]
    answers = {
        ("run", ""): [*tables, *methods],
        ("run", "-s", "+t"): ["+totals", "+tag:daily", "+tag:north:east"],
        ("run", "orders", "--exclude", "orders,2+m"): ["orders,2+model"],
        # bash divides words at colons and equals signs, and takes what is behind the last one.
        ("ls", "tag", ":"): ["daily", "north:east"],
        ("ls", "tag", ":", "da"): ["daily"],
        ("ls", "tag", ":", "north", ":", "e"): ["east"],
        ("ls", "orders,tag", ":", "d"): ["daily"],
        ("show", "o"): ["orders"],
        ("open", ""): ["model"],
        ("runs", "--table", ""): ["totals", "model"],
        ("run", "-e", ""): ["default", "prod", "dev"],
        ("run", "--env", "=", "p"): ["prod"],
        ("run", "--env", "="): ["default", "prod", "dev"],
        ("diff", "--against", "d"): ["default", "dev"],
        ("copy", "--to", "p"): ["prod"],
        ("env", "de"): ["default", "dev"],
        ("run", "--param", ""): ["month=2025-10", "token="],
        ("run", "--partition", "m"): ["month="],
        ("-m", ""): ["transforms"],
        ("init", "--template", "m"): ["minimal", "ml"],
        ("ls", "-o", ""): ["text", "json"],
        ("graph", "--format", "m"): ["mermaid"],
        ("run", "--executor", "s"): ["serial"],
        ("sql", '"select a'): [],
        ("sql", '"from orders select cu'): ["from orders select customer"],
        ("sql", '"from to'): ["from totals"],
        ("r",): ["run", "runs"],
        ("runs", "s"): ["show"],
        ("runs", "show", ""): ["last"],
        ("run", "--fa"): ["--fail-fast", "--failed"],
        ("-C", "nowhere", "run", "-e", ""): ["default"],
        ("-C", "nowhere", "show", ""): [],
    }
    assert {words: complete(*words) for words in answers} == answers
    shop.add("more/more.yaml", "  chart: {format: png, inputs: {x: totals}}\n")
    assert complete("open", "") == ["model", "chart"]
    shop.write("more/other.yaml", "tables:\n  late: {columns: {a: int64}, inputs: {x: totals}}\n")
    assert complete("show", "l") == ["late"]
    shop.add("lakehouse.yaml", "  new: {columns: {a: int64}, inputs: {x: totals}}\n")
    assert complete("show", "n") == ["new"]
    shop.add("lakehouse.yaml", "  half: {columns: [\n")
    assert complete("show", "n") == ["new"], "while the file cannot be read, what it said before"
    many = "".join(f"  many_{number}:\n    columns: {{a: int64}}\n    inputs: {{x: totals}}\n" for number in range(400))
    shop.write("more/many.yaml", f"# of many\ntables:\n\n{many}")
    assert complete("show", "many_39") == ["many_39", *(f"many_{number}" for number in range(390, 400))]
    assert complete("open", "") == ["model", "chart"], "of what was known before, all is known"
    shutil.rmtree(shop.path / ".lakehouse")
    assert complete("show", "") == []


def test_sections_are_found_as_they_are_written(folder: ProjectFolder, complete: Complete) -> None:
    folder.write("more/first.yaml", "tables:\n  early: {kind: source, columns: {a: int64}}\n")
    project = "name: shop\ninclude: # lists may stand as far to the left\n\n# as their keys\n- more/*.yaml\n"
    lines = "environments: # of two\n\n  # the first\n  prod: {}\n  dev:\n    storages: {}\n"
    flow = "environments: {prod: {storages: {\n    default: {root: prod}}},\n  dev: {}}\n"
    for environments in (lines, flow, f'{lines}    "'):
        folder.write("lakehouse.yaml", project + environments)
        assert complete("run", "-e", "") == ["default", "prod", "dev"]
        assert complete("show", "") == ["early"]
    folder.write("lakehouse.yaml", project + lines)
    folder.write("more/second.yaml", "tables:\n  late: {kind: source, columns: {a: int64}}\n")
    assert complete("show", "l") == ["late"]


def test_what_a_module_declares_is_known_by_its_runs(folder: ProjectFolder, complete: Complete, cli: Cli) -> None:
    folder.write(
        "tables.py",
        """
        from pathlib import Path

        import pyarrow as pa

        from lakehouse_cli import Lakehouse, computed_table

        Path("imported").touch()


        @computed_table(columns={"a": "int64"})
        def totals() -> pa.Table:
            return pa.table({"a": [1]})


        lakehouse = Lakehouse(assets=[totals], storages={"default": {"root": "data"}})
        """,
    )
    assert complete("-m", "tables", "show", "") == []
    assert cli("-m", "tables", "run", "-q").code == 0
    folder.path.joinpath("imported").unlink()
    assert complete("-m", "tables", "show", "") == ["totals"]
    assert complete("-m", "tables", "run", "-e", "") == ["default"]
    folder.write("others.py", folder.read("tables.py"))  # which no run has imported
    folder.write("lakehouse.yaml", "name: both\nassets: others:lakehouse\ntables:\n  orders: {kind: source}\n")
    assert complete("show", "") == ["totals", "orders"]
    assert not folder.path.joinpath("imported").exists()


def test_shells_complete_by_their_scripts(shop: ProjectFolder, tmp_path: Path) -> None:
    command = tmp_path / "bin" / "lakehouse"
    command.parent.mkdir()
    command.write_text(f"#!{COMMAND[0]}\n{COMMAND[2]}\n")
    command.chmod(0o755)
    environ = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    environ.pop("_LAKEHOUSE_COMPLETE", None)

    def said(shell: str, script: str) -> list[str]:
        done = subprocess.run([shell, "-c", script], env=environ, capture_output=True, text=True, check=True)
        return done.stdout.split()

    bash = """
        eval "$(_LAKEHOUSE_COMPLETE=source_bash lakehouse)"
        COMP_WORDS=(lakehouse ls tag : north : e) COMP_CWORD=6
        "$(complete -p lakehouse | sed 's/.*-F //; s/ .*//')" lakehouse
        echo "${COMPREPLY[@]}"
    """
    assert said("bash", bash) == ["east"]
    if shutil.which("fish"):
        fish = "_LAKEHOUSE_COMPLETE=source_fish lakehouse | source; complete -C 'lakehouse ls tag:n'"
        assert said("fish", fish) == ["tag:north:east"]
    if shutil.which("zsh"):
        # What its script evaluates, which only an editor of lines can carry out.
        asked = "_TYPER_COMPLETE_ARGS='lakehouse ls tag:n' _LAKEHOUSE_COMPLETE=complete_zsh lakehouse"
        assert said("zsh", asked)[-1] == r':(("tag\\:north\\:east"))' + "'"
