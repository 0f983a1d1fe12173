"""Files and folders that a transform writes itself: to a path aside, stored as a whole, handed on as paths."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path

import pytest

from lakehouse_cli import Project
from tests.conftest import Cli, ProjectFolder

TABLES = """
points: {columns: {x: int64}}
raster: {format: file, options: {suffix: .tif}}
site: {format: folder, path: web/site}
report: {format: json}
"""
CODE = """
import functools
from pathlib import Path
import pandas as pd
import lakehouse_cli as lh
from lakehouse_cli import Target

def points():
    return pd.DataFrame({"x": [1, 2]})

def traced(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

@traced
def raster(points, *, out: Target) -> None:
    assert not out.exists() and out.suffix == ".tif"
    out.write_bytes(bytes(points["x"]))

def site(raster: Path, target: lh.Target):
    (target / "a").mkdir()
    (target / "a" / "x.bin").write_bytes(raster.read_bytes())
    (target / "run.sh").write_text("#!/bin/sh")
    (target / "run.sh").chmod(0o755)

def report(raster: Path, site: Path):
    names = sorted(path.relative_to(site).as_posix() for path in site.rglob("*"))
    modes = [oct((site / "run.sh").stat().st_mode & 0o777), oct(raster.stat().st_mode & 0o777)]
    return {"names": names, "modes": modes, "bytes": list((site / "a" / "x.bin").read_bytes())}
"""


@pytest.fixture
def written(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ProjectFolder:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    folder.declare(TABLES, CODE)
    return folder


def scratch(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "scratch").iterdir() if "spill" in path.name]


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_what_is_written_becomes_the_asset(written: ProjectFolder, cli: Cli, executor: str, tmp_path: Path) -> None:
    done = cli("run", "-o", "json", "--executor", executor)
    assert set(done.statuses.values()) == {"materialized"}
    assert {note for each in done.json["tables"] for note in each["notes"] if "opens a file" in note} == set()
    assert written.files() == ["points.csv", "raster.tif", "report.json", "web/site.tar"]
    assert json.loads(written.read("data/report.json")) == {
        "names": ["a", "a/x.bin", "run.sh"],
        "modes": ["0o555", "0o444"],
        "bytes": [1, 2],
    }
    assert scratch(tmp_path) == []
    archive = (written.path / "data/web/site.tar").read_bytes()
    assert set(cli("run", "-o", "json").statuses.values()) == {"unchanged"}
    # The same files are the same bytes, whenever they were written.
    assert cli("run", "--force", "site", "--executor", executor).code == 0
    assert (written.path / "data/web/site.tar").read_bytes() == archive
    assert cli("run", "--force", "report", "--executor", executor).code == 0


def test_folders_are_shown_compared_and_read(written: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert cli("show", "site", "--out", "out").code == 0
    assert written.read("out/run.sh") == "#!/bin/sh"
    assert cli("show", "site", "--out", "out").code == 2
    assert (Project.load(written.path).read("site") / "a" / "x.bin").read_bytes() == b"\1\2"
    assert Project.load(written.path).read("raster") == written.path / "data/raster.tif"
    for _ in range(2):
        opened = Path(cli("open", "site", "-o", "json").json["path"])
        assert opened == written.path / ".lakehouse/opened/default/site/site"
    assert sorted(path.name for path in opened.iterdir()) == ["a", "run.sh"]
    written.edit("transforms.py", '"#!/bin/sh"', '"#!/bin/bash"')
    compared = {each["name"]: each["status"] for each in cli("diff", "-o", "json").json["tables"]}
    assert compared == {"points": "equal", "raster": "equal", "site": "different", "report": "equal"}


@pytest.mark.parametrize(
    ("table", "body", "message", "hint"),
    [
        ("raster", "pass", "`raster`: nothing was written to its Target", "the very path"),
        ("raster", "out.mkdir()", "what was written to its Target is a folder", "`format: folder`"),
        ("raster", "out.symlink_to('/etc/hostname')", "what was written to its Target is a link", "one file"),
        ("raster", "out.write_text('x'); return 1", "returned int, and writes to its Target", "return nothing"),
        ("raster", "out.write_text('x'); raise ValueError('half-way')", "ValueError: half-way", "transforms.py"),
        ("site", "pass", "`site`: nothing was written to its Target", "into the folder"),
        ("site", "out.rmdir()", "`site`: its Target is gone", "into the folder"),
        ("site", "import os; os.mkfifo(out / 'p')", "`p` in its Target is no regular file", "folders"),
        ("site", "(out / 'l').symlink_to('/etc')\n    (out / 'x').touch()", "`l` in its Target is a link", "folders"),
    ],
)
def test_what_was_not_written_leaves_what_is_stored(
    written: ProjectFolder, cli: Cli, table: str, body: str, message: str, hint: str, tmp_path: Path
) -> None:
    assert cli("run").code == 0
    before = {name: (written.path / "data" / name).read_bytes() for name in written.files()}
    inputs = "points" if table == "raster" else "raster"
    written.add("transforms.py", f"\ndef {table}({inputs}, out: Target):\n    {body}\n")
    done = cli("run")
    assert done.code == 1
    assert message in done.err
    assert hint in done.err
    assert "Traceback" not in done.err
    assert {name: (written.path / "data" / name).read_bytes() for name in written.files()} == before
    assert scratch(tmp_path) == []


def test_targets_and_formats_fit_together(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        """
        a: {format: file}
        b: {columns: {x: int64}}
        c: {format: folder, kind: source}
        d: {format: file}
        e: {format: file, function: split, output: e}
        f: {format: text}
        """,
        """
        from lakehouse_cli import Target

        def a(to): ...
        def b(out: Target): ...
        def d(one: Target, two: Target): ...
        def split(out: Target): ...
        def f(out: "Target"): ...
        """,
    )
    done = cli("validate")
    assert done.code == 3
    for each in (
        "`a` has no parameter that is a Target, and `a` is stored as file\n  transforms.py:3:7",
        "annotate the one that takes the path: `def a(…, to: lakehouse_cli.Target)`",
        "parameter `out` of `b` is a Target, and `b` is stored as csv\n  transforms.py:4:7",
        "table `c` is a source stored as folder",
        "parameter `two` of `d` is a Target, and `d` is stored as file",
        "table `e` is one of several results, and file is written by a function of its own",
        "parameter `out` of `f` is a Target, and `f` is stored as text",
    ):
        assert each in done.err
    assert "matches no table" not in done.err


@pytest.mark.parametrize(
    "code",
    [
        "import lakehouse_cli as lh\nOut = lh.Target\ndef a(out: Out)",
        "from lakehouse_cli import *\ndef a(out: Target)",
        "from typing import Annotated\nfrom lakehouse_cli import Target as T\ndef a(out: Annotated[T, 'a path'])",
        "import typing\nif typing.TYPE_CHECKING:\n    from lakehouse_cli import Target as T\ndef a(out: 'T')",
        "import typing as t\nif t.TYPE_CHECKING:\n    import lakehouse_cli as lh\ndef a(b: 'lh.B', out: 'lh.Target')",
    ],
)
def test_a_target_by_any_name(folder: ProjectFolder, cli: Cli, code: str) -> None:
    folder.declare("a: {format: file}\nb: {format: json}\n", f"{code}: out.write_text('a')\ndef b(): return 1\n")
    assert cli("run").code == 0
    assert folder.read("data/a.bin") == "a"


def test_an_archive_of_others_reaches_nothing_beyond_its_folder(
    written: ProjectFolder, cli: Cli, tmp_path: Path
) -> None:
    assert cli("run").code == 0
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("../../escaped")
        tar.addfile(member)
    for data in (buffer.getvalue(), b"no archive" * 100):
        (written.path / "data/web/site.tar").write_bytes(data)
        done = cli("run", "report", "--force")
        assert done.code == 1
        assert "`site` cannot be read as folder" in done.err
    assert not list(tmp_path.rglob("escaped"))


def test_a_source_that_cannot_be_loaded_is_the_one_that_fails(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        "note: {kind: source, format: text}\npic: {kind: source, format: png}\n"
        "size: {format: json}\ndots: {format: json}",
        "def size(note): return len(note)\ndef dots(pic): return len(pic)\n",
    )
    (folder.path / "data").mkdir()
    (folder.path / "data/note.txt").write_bytes(b"caf\xe9")
    (folder.path / "data/pic.png").write_bytes(b"GIF89a")
    done = cli("run", "-o", "json")
    assert done.statuses == {"note": "failed", "size": "skipped", "pic": "failed", "dots": "skipped"}
    errors = {each["name"]: each["error"] for each in done.json["tables"]}
    assert "`note` cannot be loaded as text: 'utf-8' codec can't decode byte 0xe9" in errors["note"]["message"]
    assert errors["pic"]["message"] == "`pic` cannot be loaded as png: it is no PNG file"
    assert errors["pic"]["location"] == {"file": "lakehouse.yaml", "line": 5, "column": 3}
    (folder.path / "data/note.txt").write_bytes("café".encode())
    (folder.path / "data/pic.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    ran = cli("run")
    # Nothing of it has rows to be counted.
    assert (ran.code, ran.out.splitlines()[2].split()) == (0, ["table", "state", "size", "time", "why"])
    assert folder.read("data/size.json") == "4\n"


def test_a_source_file_is_a_path(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        "{model: {kind: source, format: file, options: {suffix: .h5}}, size: {format: json}}",
        "def size(model): return model.stat().st_size\n",
    )
    folder.write("data/model.h5", "12345")
    assert cli("run").code == 0
    assert folder.read("data/size.json") == "5\n"


def test_paths_of_copies_are_not_pickled(written: ProjectFolder, cli: Cli) -> None:
    written.add("lakehouse.yaml", "  first: {format: pickle}\n  second: {format: joblib}\n  third: {format: json}\n")
    written.add("lakehouse.yaml", "  fourth: {format: json}\n  fifth: {format: text}\n")
    written.add("transforms.py", "\ndef first(raster): return [raster]\ndef second(site): return {'a': site / 'a'}\n")
    written.add("transforms.py", "def third(site): return [site]\ndef fourth(site): return {'a': str(site / 'b')}\n")
    written.add("transforms.py", "def fifth(raster): return str(raster)\n")
    done = cli("run")
    assert done.code == 1
    assert "it holds the path of a scratch copy, `raster.tif`" in done.err
    assert "it holds the path of a scratch copy, `a`" in done.err
    assert "`$[0]` holds the path of a scratch copy, `site`" in done.err
    assert "`$.a` holds the path of a scratch copy, `b`" in done.err
    made = {"first.pkl", "second.joblib", "third.json", "fourth.json", "fifth.txt"}
    assert made.isdisjoint(written.files())
    # A path of the user's own is a value as any other.
    written.edit("transforms.py", "return [raster]", "return Path('a/b')")
    assert cli("run", "first").code == 0


def test_archive_that_is_cut_off_is_not_a_folder(written: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    path = written.path / "data/web/site.tar"
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        last = max(member.offset for member in archive)
        end = archive.offset
    for length in (last, end, end + tarfile.BLOCKSIZE):
        path.write_bytes(whole[:length])
        done = cli("show", "site", "--out", "copy")
        assert (done.code, "the archive is cut off" in done.err) == (1, True), length
        assert not (written.path / "copy").exists()
