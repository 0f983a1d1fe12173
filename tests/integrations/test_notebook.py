"""Projects in a notebook: what they show of themselves, and the example, executed in a kernel."""

from __future__ import annotations

import html.parser
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import UsageError
from lakehouse_cli.rendering.reporters.notebook import NotebookReporter
from lakehouse_cli.runs.events import RunFailedError
from tests.conftest import Invoked, ProjectFolder

EXAMPLE = Path(__file__).parents[2] / "examples" / "notebook"


class Shown(html.parser.HTMLParser):
    """The texts of HTML in which each element is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.tags: set[str] = set()
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def texts(shown: Any) -> list[str]:
    return Shown(shown._repr_html_()).texts


def test_values_show_themselves(project: ProjectFolder) -> None:
    loaded = Project.load()
    assert texts(loaded)[:2] == ["small · default", f"3 tables in {project.path}"]
    assert loaded._ipython_key_completions_() == list(loaded) == ["orders", "totals", "best"]
    plan = loaded.plan()
    assert texts(plan)[:2] == ["small · default · plan", "2 tables to materialize, 1 source to read"]
    assert repr(plan) == "<Plan of 'small', environment 'default': 2 tables to materialize>"
    assert "never materialized" in texts(loaded["totals"])
    result = loaded.run(raise_on_failure=True)
    assert texts(result)[1].startswith("2 materialized in ")
    assert repr(result) == f"<RunResult {result.run_id} of 'small': success, 2 tables>"
    assert any(each.startswith("2 rows, ") for each in texts(loaded["totals"]))
    assert texts(loaded["totals"].show())[-4:] == ["007", "6", "008", "2"]
    assert loaded["totals"].read()["total"].tolist() == [6, 2]
    assert [each.result.status for each in loaded["totals"].history().times] == ["materialized"]
    project.write("data/orders.csv", project.read("data/orders.csv").replace("007", "009"))
    assert any("009" in each for each in texts(loaded.diff("totals")))
    with pytest.raises(KeyError, match="did you mean `totals`"):
        loaded["totls"]
    for other in (3, None):
        with pytest.raises(KeyError, match=f"there is no table `{other}`"):
            loaded[other]  # type: ignore[index]
    with pytest.raises(UsageError, match="-1 rows cannot be shown"):
        loaded["totals"].show(-1)


def test_failure_is_raised_where_that_is_asked(project: ProjectFolder) -> None:
    project.edit("transforms.py", "def totals(", "def totals(orders):\n    raise ValueError('no <b>')\n\ndef others(")
    loaded = Project.load()
    result = loaded.run()
    assert result.status == "failed"
    shown = Shown(result._repr_html_())
    assert "b" not in shown.tags
    assert any("no <b>" in each for each in shown.texts)
    with pytest.raises(RunFailedError, match=r"1 failed, 1 skipped in (?s:.*)ValueError: no <b>") as caught:
        loaded.run(raise_on_failure=True)
    assert caught.value.result.status == "failed"


def test_data_are_no_markup_and_sensitive_ones_hidden(folder: ProjectFolder) -> None:
    columns = "{n: int64, t: string, mail: {type: string, sensitive: true}}"
    folder.write(
        "lakehouse.yaml", f"name: p\nmodule: transforms\ntables:\n  a: {{inputs: [], columns: {columns}, key: n}}\n"
    )
    row = "{'n': [1], 't': ['<img src=x> `b`'], 'mail': ['ann@example.com']}"
    folder.write("transforms.py", f"import pandas as pd\ndef a(): return pd.DataFrame({row})\n")
    loaded = Project.load()
    loaded.run()
    shown = loaded["a"].show()
    assert texts(shown)[-3:] == ["1", "<img src=x> `b`", "***"]
    assert "img" not in Shown(shown._repr_html_()).tags
    folder.edit("transforms.py", "ann@", "bob@")
    compared = Project.load().diff()
    assert any("***" in each for each in texts(compared))
    for each in (shown, compared):
        assert "example.com" not in each._repr_html_() + repr(each)


def test_progress_is_replaced_by_the_summary(project: ProjectFolder) -> None:
    seen: list[str] = []
    result = Project.load().run(on_event=NotebookReporter(seen.append).handle)
    first, last = Shown(seen[0]).texts, Shown(seen[-1]).texts
    assert first == [f"small · default · run {result.run_id}", "░░░░░░░░░░ 0/2 2 tables"]
    assert last[1].startswith("2 materialized in ")


@pytest.mark.slow
def test_example_is_executed(tmp_path: Path, cli: Callable[..., Invoked], monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import nbformat

    folder = tmp_path / "notebook"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".lakehouse", "__pycache__"))
    notebook = nbformat.read(folder / "orders.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("project.read('report').shape"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    cells = {each.source: each.outputs for each in notebook.cells if each.cell_type == "code"}

    def shown(source: str) -> list[str]:
        [output] = [each for each in cells[source] if each.output_type == "execute_result"]
        return Shown(output.data["text/html"]).texts

    assert "2 tables to materialize, 1 source to read" in shown("project.plan()")
    run = next(source for source in cells if "raise_on_failure" in source)
    assert [each.output_type for each in cells[run]] == ["display_data", "execute_result"]  # the progress, the result
    assert re.match("2 materialized in ", Shown(cells[run][0].data["text/html"]).texts[1])
    assert shown(run)[1].startswith("2 materialized in ")
    assert shown('project["revenue"].show()')[-6:] == ["007", "3", "67.50", "012", "2", "17.00"]
    assert "2 unchanged" in re.sub("\x1b.*?m", "", "".join(each.text for each in cells["%lakehouse run"]))
    assert cells["project.read('report').shape"][0].data["text/plain"] == "(2, 2)"
    monkeypatch.chdir(folder)
    assert cli("plan").out.splitlines()[-1].startswith("nothing to do")
