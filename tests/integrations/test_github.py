"""What GitHub and pre-commit run of this repository: the action and its comment, the hooks, the release."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import yaml

from lakehouse_cli import __version__
from lakehouse_cli.integrations.github_comment import main
from tests.conftest import ProjectFolder

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, str]:
    """The variables of a step, with `lakehouse` and `python` of this environment first."""
    for name, module in (("lakehouse", "-m lakehouse_cli"), ("python", "")):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        script.chmod(0o755)
    files = {"GITHUB_OUTPUT": tmp_path / "output", "GITHUB_STEP_SUMMARY": tmp_path / "summary", "RUNNER_TEMP": tmp_path}
    env = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
    return {
        **env,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        **{name: str(path) for name, path in files.items()},
    }


def step(name: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    [script] = [each["run"] for each in ACTION["runs"]["steps"] if each["name"] == name]
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_action_validates_and_plans(project: ProjectFolder, tools: dict[str, str], tmp_path: Path) -> None:
    given = {"PROJECT_DIR": str(project.path), "LAKEHOUSE_ENV": "default", "SELECTION": "totals best"}
    done = step("Validate and plan", tmp_path, {**tools, **given})
    assert done.returncode == 0, done.stderr
    document = Path((tmp_path / "output").read_text().strip().removeprefix("markdown="))
    assert "2 tables to materialize" in document.read_text("utf-8")
    assert (tmp_path / "summary").read_text("utf-8") == document.read_text("utf-8")
    project.edit("lakehouse.yaml", "  totals:", "  totals:\n    colums: {}")
    done = step("Validate and plan", tmp_path, {**tools, **given})
    assert done.returncode == 3
    assert "unknown key `colums`" in document.read_text("utf-8")


def test_action_hands_values_over_as_variables() -> None:
    for each in ACTION["runs"]["steps"]:
        assert "${{" not in each["run"]
    used = set(yaml.safe_dump(ACTION["runs"]).split("inputs.")[1:])
    assert {name for name in ACTION["inputs"] if any(each.startswith(name) for each in used)} == set(ACTION["inputs"])


class GitHub(BaseHTTPRequestHandler):
    """Comments of issue 7, a page of a hundred at a time."""

    comments: list[dict[str, Any]]
    may_write = True

    def do_GET(self) -> None:
        url = urlparse(self.path)
        assert url.path == "/repos/o/r/issues/7/comments"
        page = int(parse_qs(url.query)["page"][0])
        self._answer(200, self.comments[100 * (page - 1) : 100 * page])

    def do_POST(self) -> None:
        assert self.path == "/repos/o/r/issues/7/comments"
        self._write(lambda body: self.comments.append({"id": len(self.comments), **body}))

    def do_PATCH(self) -> None:
        self._write(lambda body: self.comments[int(self.path.rpartition("/")[2])].update(body))

    def _write(self, change: Any) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Authorization"] == "Bearer secret"
        if self.may_write:
            change(body)
        self._answer(200 if self.may_write else 403, {})

    def _answer(self, code: int, document: Any) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def github() -> Iterator[type[GitHub]]:
    handler = type("Handler", (GitHub,), {"comments": [{"id": at, "body": "hello"} for at in range(150)]})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        handler.port = server.server_port  # type: ignore[attr-defined]
        yield handler
        server.shutdown()


def test_comment_is_kept_up_to_date(github: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"pull_request": {"number": 7}}')
    environ = {"GITHUB_API_URL": f"http://127.0.0.1:{github.port}", "GITHUB_REPOSITORY": "o/r"}
    environ |= {"GITHUB_EVENT_PATH": str(event), "GITHUB_TOKEN": "secret"}
    document = tmp_path / "plan.md"
    for text, name in (("first", "plan of a"), ("other", "plan of b"), ("second", "plan of a")):
        document.write_text(text)
        main(str(document), name, environ)
    assert [each["body"] for each in github.comments[150:]] == [
        "<!-- lakehouse: plan of a -->\nsecond",
        "<!-- lakehouse: plan of b -->\nother",
    ]
    github.may_write = False
    main(str(document), "plan of c", environ)
    assert len(github.comments) == 152
    assert capsys.readouterr().out.startswith("::warning::")


def test_hooks_are_commands(project: ProjectFolder, tools: dict[str, str]) -> None:
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")):
        done = subprocess.run(hook["entry"].split(), cwd=project.path, env=tools, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_release_and_citation_name_the_version(tmp_path: Path) -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == __version__
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
    [check] = [each for each in release["jobs"]["build"]["steps"] if each.get("name") == "The tag is the version"]
    for tag, code in ((f"v{__version__}", 0), ("v9.9.9", 1), (f"v{__version__}0", 1)):
        done = subprocess.run(["bash", "-e", "-c", check["run"]], cwd=ROOT, env={**os.environ, "TAG": tag}, check=False)
        assert done.returncode == code
