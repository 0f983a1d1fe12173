"""Sources of many files by the dimensions that their paths have."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import MissingDataError
from lakehouse_cli.model import Table
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_content import content_of_partitions
from lakehouse_cli.model.unit import selection_of
from lakehouse_cli.storage import AssetStorage
from lakehouse_cli.storage.capabilities import prefetch
from lakehouse_cli.storage.local.storage import FileStorage
from lakehouse_cli.storage.opening import with_parts
from lakehouse_cli.storage.partition_capability import contents
from lakehouse_cli.testing.stored_tables import column, storage_of, table


@pytest.fixture
def storage(tmp_path: Path) -> AssetStorage:
    return with_parts(storage_of(FileStorage, str(tmp_path / "lake"), tmp_path))


def source(path: str, *partitions: str) -> Table:
    declared = table("trips", column("id", "int64"), path=path, kind="source")
    return replace(declared, partitions=partitions)


def write(tmp_path: Path, **files: int) -> None:
    for name, value in files.items():
        path = tmp_path / "lake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"id\n{value}\n")


PATHS: list[tuple[str, dict[str, int], str, list[str]]] = [
    ("{region}/{m:%Y%m}", {"eu/202402.csv": 1, "us/202401.csv": 2}, "region m", ["eu 2024-02", "us 2024-01"]),
    ("trips_{day:%d-%m-%Y}", {"trips_03-01-2024.csv": 1}, "day", ["2024-01-03"]),
    ("{hour:%Y-%m-%dT%H}", {"2024-01-03T14.csv": 1}, "hour", ["2024-01-03T14"]),
    ("{y:%Y}_*", {"2024_a.csv": 1, "2024_b.csv": 2}, "y", ["2024"]),
    ("raw/", {"raw/k=a%2Fb/m=03/x.csv": 1, "raw/k=b/m=4/x.csv": 2}, "k m", ["a/b 03", "b 4"]),
    ("raw/", {"raw/k=__HIVE_DEFAULT_PARTITION__/x.csv": 1}, "k", ["__HIVE_DEFAULT_PARTITION__"]),
    ("raw/", {"raw/k=a/m=03/x.csv": 1, "raw/k=a/x.csv": 2}, "k", ["a"]),
]


@pytest.mark.parametrize(("path", "files", "dimensions", "expected"), PATHS)
def test_paths_make_partitions(
    storage: AssetStorage, tmp_path: Path, path: str, files: dict[str, int], dimensions: str, expected: list[str]
) -> None:
    write(tmp_path, **files)
    found = contents(storage, source(path), {})
    assert [" ".join(each.dimensions) for each in found] == [dimensions] * len(expected)
    assert [" ".join(each.values) for each in found] == expected


def test_selection_is_read_with_what_the_plan_knows(storage: AssetStorage, tmp_path: Path) -> None:
    write(tmp_path, **{"2024-01-01.csv": 1, "2024-01-02.csv": 2, "2024-02-01.csv": 3})
    declared = source("{day:%Y-%m-%d}")
    known = contents(storage, declared, {})
    january = [each for each in known if each.values[0] < "2024-02"][::-1]
    selected = selection_of(declared, january)
    data, content = storage.scan(selected, declared.columns).table_with_content(())
    assert data["id"].to_pylist() == [2, 1]
    assert content.content_hash == content_of_partitions([(each, known[each]) for each in january]).content_hash
    assert storage.content(selected, ()) == content
    assert [each.path for each in content.files] == ["2024-01-02.csv", "2024-01-01.csv"]
    (tmp_path / "lake/2024-01-01.csv").write_text("id\n77\n")
    assert storage.scan(selected, declared.columns).table()["id"].to_pylist() == [2, 77]


def test_fewer_dimensions_select_all_others(storage: AssetStorage, tmp_path: Path) -> None:
    write(tmp_path, **{"eu/2024.csv": 1, "us/2024.csv": 2, "us/2025.csv": 3})
    declared = source("{region}/{year:%Y}")
    selected = selection_of(declared, [Partition(("year",), ("2024",))])
    assert storage.scan(selected, declared.columns).table()["id"].to_pylist() == [1, 2]
    by_year = contents(storage, replace(declared, partitions=("year",)), {})
    assert [each.values for each in by_year] == [("2024",), ("2025",)]


def test_each_file_is_a_partition(storage: AssetStorage, tmp_path: Path) -> None:
    write(tmp_path, **{"a b.csv": 1, "c.csv": 2})
    declared = source("*", "file")
    assert [each.values for each in contents(storage, declared, {})] == [("a b.csv",), ("c.csv",)]
    selected = replace(declared, partition=Partition(("file",), ("c.csv",)))
    assert storage.scan(selected, declared.columns).table()["id"].to_pylist() == [2]


def test_partition_without_a_file_is_missing(storage: AssetStorage, tmp_path: Path) -> None:
    write(tmp_path, **{"2024.csv": 1})
    declared = source("{year:%Y}")
    selected = selection_of(declared, [Partition(("year",), ("2025",))])
    assert storage.content(selected, ()) is None
    with pytest.raises(MissingDataError, match=r"no file of .* is of year=2025"):
        storage.scan(selected, declared.columns).table()
    none = selection_of(declared, ())
    assert storage.scan(none, declared.columns).table().num_rows == 0
    assert storage.content(none, ()) == content_of_partitions(())


def test_new_plan_lists_anew(storage: AssetStorage, tmp_path: Path) -> None:
    write(tmp_path, **{"2024.csv": 1})
    declared = source("{year:%Y}")
    assert len(contents(storage, declared, {})) == 1
    write(tmp_path, **{"2025.csv": 1})
    selected = selection_of(declared, [Partition(("year",), ("2025",))])
    assert storage.content(selected, ()) is None
    prefetch(storage, [])
    assert storage.content(selected, ()) is not None
