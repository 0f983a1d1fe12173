"""Storages of the project's own, through the command line: their errors are reported, and work goes on."""

from __future__ import annotations

import pytest

from lakehouse_cli import Project
from lakehouse_cli.executors.forks import UNFORKABLE
from tests.conftest import Cli, ProjectFolder

SHELF = '''
from typing import ClassVar

from lakehouse_cli.storage import Head, KeyedStorage

THINGS = {}


class Shelf(KeyedStorage):
    """In the memory of the process."""

    label: str = "shelf"

    def head_key(self, key):
        return Head(len(THINGS[key])) if key in THINGS else None

    def get_key(self, key):
        return THINGS.get(key)

    def put_key(self, key, data, seen):
        THINGS[key] = data.read()
        return self.head_key(key)

    def delete_key(self, key):
        THINGS.pop(key, None)

    def keys(self, prefix):
        return [key for key in THINGS if key.startswith(prefix)]
'''


@pytest.fixture
def shelf(project: ProjectFolder) -> ProjectFolder:
    text = project.read("lakehouse.yaml")
    text = text.replace("tables:", 'storages:\n  shelf: {type: "shelf:Shelf"}\ntables:', 1)
    text = text.replace("  best:\n", "  best:\n    storage: shelf\n")
    project.write("lakehouse.yaml", text)
    project.write("shelf.py", SHELF)
    return project


def test_a_run_and_a_second_one(shelf: ProjectFolder, cli: Cli) -> None:
    first = cli("run", "-o", "json").json
    assert {t["name"]: t["status"] for t in first["tables"]} == {"totals": "materialized", "best": "materialized"}
    assert cli("show", "best", "-o", "json").json["rows"] == [{"customer": "007", "total": 6}]
    assert {t["status"] for t in cli("run", "-o", "json").json["tables"]} == {"unchanged"}


def test_editing_the_class_re_runs_nothing(shelf: ProjectFolder, cli: Cli) -> None:
    kept = "import builtins\nTHINGS = vars(builtins).setdefault('_t', {})"
    shelf.write("shelf.py", SHELF.replace("THINGS = {}", kept))
    try:
        cli("run")
        shelf.edit("shelf.py", "KeyedStorage):", "KeyedStorage):\n    extra: int = 1")
        assert {t["action"] for t in cli("plan", "-o", "json").json["tables"]} == {"read", "skip"}
    finally:
        import builtins

        vars(builtins).pop("_t", None)


def test_validate_and_ls_import_nothing_of_it(shelf: ProjectFolder, cli: Cli) -> None:
    shelf.write("shelf.py", f"{SHELF}\nraise RuntimeError('imported')\n")
    assert cli("validate").code == 0
    reported = cli("plan")
    assert reported.code == 1
    assert "`shelf` cannot be imported: RuntimeError: imported" in reported.err


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        (
            "import nowhere\n" + SHELF,
            "No module named 'nowhere'",
            "install what `nowhere` belongs to",
        ),
        ("class Shelf:\n    pass\n", "class Shelf is no storage (shelf.py:1)", "make it a subclass of"),
        (SHELF.replace("def keys", "def kees"), "class Shelf lacks `keys`", "define what its base class leaves open"),
        (
            f"{SHELF}\nShelf = type('Shelf', (KeyedStorage,), {{}})\n",
            "`shelf:Shelf` lacks `delete_key`",
            "define what its base class leaves open",
        ),
        (
            SHELF.replace("    def head_key", "    def __init__(self, spec):\n        1 / 0\n\n    def head_key"),
            "storage `shelf` cannot be made: ZeroDivisionError: division by zero",
            "look at `__init__` of `shelf:Shelf`",
        ),
        (
            "from lakehouse_cli.storage import AssetStorage\n\n"
            "class Shelf(AssetStorage):\n    def read(self, table, columns): ...\n",
            "class Shelf lacks `content`, ",
            "let `read` become `scan`",
        ),
    ],
    ids=["missing package", "no storage", "abstract", "when imported", "raises when made", "of 0.1.0"],
)
def test_a_class_that_cannot_be_used(shelf: ProjectFolder, cli: Cli, source: str, message: str, hint: str) -> None:
    shelf.write("shelf.py", source)
    reported = cli("run")
    assert reported.code == (3 if message.startswith("class") else 1)
    assert message in reported.err
    assert hint in reported.err
    assert "lakehouse.yaml:" in reported.err
    assert "Traceback" not in reported.err


def test_what_a_storage_raises_is_the_failure_of_its_table(shelf: ProjectFolder, cli: Cli) -> None:
    shelf.write("shelf.py", SHELF.replace("THINGS[key] = data.read()", "raise ConnectionError('the shelf fell')"))
    result = cli("run", "-o", "json")
    assert result.code == 1
    tables = {t["name"]: t for t in result.json["tables"]}
    assert tables["totals"]["status"] == "materialized"
    assert tables["best"]["status"] == "failed"
    assert tables["best"]["error"]["type"] == "StorageError"
    assert "the shelf fell" in tables["best"]["error"]["message"]


RAW = """
from lakehouse_cli.storage import AssetStorage


class Shelf(AssetStorage):
    def uri(self, table):
        return f"raw:{table.path}"

    def stat(self, table):
        return None

    def content(self, table, known):
        return {}["gone"]

    def scan(self, table, columns): ...
    def publish(self, table, data, origin): ...
    def read_manifest(self, table): ...
    def delete(self, table): ...

    def list(self):
        yield 1 / 0
"""


def test_error_of_a_storage_without_base_has_its_line(shelf: ProjectFolder, cli: Cli) -> None:
    shelf.write("shelf.py", RAW)
    storage = Project.load().storage("best")
    table = Project.load().table("best")
    with pytest.raises(Exception, match="failed at looking at `best`: KeyError: 'gone'") as caught:
        storage.content(table, ())
    assert caught.value.hint == "look at shelf.py:12"  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="failed at `list`: ZeroDivisionError"):
        storage.list()
    assert storage.uri(table) == "raw:best"


@pytest.mark.parametrize("connected", [False, True], ids=["plain", "holding what cannot be pickled"])
def test_storages_go_to_worker_processes(shelf: ProjectFolder, cli: Cli, connected: bool) -> None:
    generator = (
        "    def __init__(self, spec):\n        super().__init__(spec)\n        self.lines = (n for n in [1])\n\n"
    )
    source = SHELF.replace("    def head_key", generator + "    def head_key") if connected else SHELF
    shelf.write(
        "shelf.py",
        source.replace("THINGS = {}", "import shelve_files\nTHINGS = shelve_files.Files()"),
    )
    shelf.write(
        "shelve_files.py",
        """
        from pathlib import Path

        class Files:
            def _file(self, key):
                return Path(__file__).parent / "kept" / key.replace("/", "__")
            def __contains__(self, key):
                return self._file(key).exists()
            def __getitem__(self, key):
                return self._file(key).read_bytes()
            def __setitem__(self, key, value):
                self._file(key).parent.mkdir(exist_ok=True)
                self._file(key).write_bytes(value)
            def get(self, key):
                return self[key] if key in self else None
        """,
    )
    result = cli("run", "-o", "json", "--executor", "processes")
    assert result.statuses == {"totals": "materialized", "best": "materialized"}
    # What such a storage has begun in this process may keep threads, of which a fork would have none.
    assert "shelf" in UNFORKABLE


def test_clean_names_tables_as_a_run_does(shelf: ProjectFolder, cli: Cli) -> None:
    """Also where the storage has no root."""
    uris = {t["name"]: t["uri"] for t in cli("run", "-o", "json").json["tables"]}
    text = shelf.read("lakehouse.yaml")
    shelf.write("lakehouse.yaml", text[: text.index("  best:")])
    assert [stray["uri"] for stray in cli("clean", "-o", "json", "--dry-run").json["found"]] == [uris["best"]]


def test_plan_reports_an_unusable_storage(shelf: ProjectFolder, cli: Cli) -> None:
    broken = SHELF.replace("return Head(", "raise EOFError('nobody there') if key else Head(")
    broken += (
        "\n    def explain(self, error, table):\n        from lakehouse_cli.storage import Cause\n"
        "        reach = 'storage' if isinstance(error, EOFError) else None\n"
        "        return Cause('nobody is there', out_of_reach=reach)\n"
    )
    shelf.write("shelf.py", broken.replace("return THINGS.get(key)", "raise EOFError('nobody there')"))
    shelf.edit("transforms.py", "    return totals.n", "    open('computed', 'w').close()\n    return totals.n")
    planned = {t["name"]: t["would_fail"] for t in cli("plan", "-o", "json").json["tables"]}
    assert planned["totals"] is None
    assert planned["best"] == "`best` stays as it is: best.csv cannot be looked at: nobody is there"
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert ran.statuses == {"totals": "materialized", "best": "failed"}
    assert not (shelf.path / "computed").exists()


def test_root_in_a_uri_is_as_written(folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "Zq7xR/Kw9pT")
    folder.write(
        "stores.py",
        """
        from lakehouse_cli.storage import KeyedStorage

        class Own(KeyedStorage):
            def uri(self, table):
                return f"{self.spec.root}/{table.path}"

            def head_key(self, key):
                return None

            def get_key(self, key):
                raise ValueError(f"nothing at {self.spec.root}")

            def keys(self, prefix):
                return []

            put_key = delete_key = get_key
        """,
    )
    folder.write(
        "lakehouse.yaml",
        """
        name: own
        storages: {default: {type: "stores:Own", root: "own://me:${SECRET}@host"}}
        tables: {t: {kind: source, columns: {x: int64}}}
        """,
    )
    for argv in (["plan", "-o", "json"], ["ls", "-o", "json"], ["ls"], ["graph", "-o", "json"], ["run"], ["show", "t"]):
        done = cli(*argv)
        assert "Zq7x" not in done.out + done.err, argv
        assert "Kw9p" not in done.out + done.err, argv
    assert cli("ls", "-o", "json").json["tables"][0]["uri"] == "own://me:${SECRET}@host/t"


def test_undeclared_unsupported_columns_are_refused(shelf: ProjectFolder, cli: Cli) -> None:
    refusing = SHELF.replace("KeyedStorage):", "KeyedStorage):\n    cannot_hold: ClassVar = ('uint64',)", 1)
    shelf.write("shelf.py", f"from typing import ClassVar\n{refusing}")
    shelf.write(
        "lakehouse.yaml",
        "name: small\nmodule: transforms\nstorages:\n  shelf: {type: 'shelf:Shelf'}\n"
        "tables:\n  best: {storage: shelf}\n",
    )
    shelf.write(
        "transforms.py", "import pandas as pd\n\ndef best():\n    return pd.DataFrame({'n': [1]}, dtype='uint64')\n"
    )
    (table,) = cli("run", "-o", "json").json["tables"]
    assert table["status"] == "failed"
    violation = table["error"]["violations"][0]["message"]
    assert violation.endswith("cannot hold column `n`, which is not declared: `Shelf` holds no uint64")


def test_another_suffix_leaves_no_key(shelf: ProjectFolder, cli: Cli) -> None:
    shelf.add("shelf.py", "\nTHINGS['best.bak.tsv'] = b''\n")
    shelf.edit("lakehouse.yaml", "    storage: shelf\n", "    storage: shelf\n    options: {suffix: .tsv}\n")
    assert cli("run").code == 0
    shelf.edit("lakehouse.yaml", ".tsv", ".txt")
    assert "best.txt is not there yet" in cli("plan").out
    assert cli("run").code == 0
    storage = Project.load().storage("best")
    assert sorted(storage.inner.keys("best")) == ["best.bak.tsv", "best.txt"]  # type: ignore[attr-defined]
