"""What goes first, and what there is room for."""

from __future__ import annotations

from hypothesis import given

from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.runner.schedule import MEMORY_FACTOR, Schedule, expected_durations, expected_end, longest_paths
from tests.properties.drawn_tables import CHANCES, Chance


def planned(name: str, *inputs: str, memory: int = 0) -> PlannedTable:
    manifest = None
    if memory:
        manifest = Manifest(name, (), 0, 0, 0, "", "", "", "", "", memory_bytes=memory)
    state = TableState(name, True, manifest=manifest)
    return PlannedTable(name, "computed", "default", name, inputs, "run", state=state)


def nothing(table: PlannedTable) -> int:
    return 0


def names(schedule: Schedule) -> list[str]:
    found = []
    while (table := schedule.next()) is not None:
        found.append(table.name)
    return found


def test_the_longest_path_goes_first() -> None:
    tables = (planned("short"), planned("head"), planned("tail", "head"), planned("long"))
    durations = {"short": 1.0, "head": 0.5, "tail": 9.0, "long": 5.0}
    assert longest_paths(tables, durations) == {"short": 1.0, "head": 9.5, "tail": 9.0, "long": 5.0}
    schedule = Schedule(tables, durations, nothing)
    assert names(schedule) == ["head", "long", "short"]
    schedule.ended("head")
    assert names(schedule) == ["tail"]


def test_end_is_expected_by_history_chains_and_workers() -> None:
    tables = (planned("short"), planned("head"), planned("tail", "head"), planned("new"))
    durations = expected_durations(tables, {"short": 1.0, "head": 3.0, "tail": 5.0, "gone": 99.0})
    assert durations == {"short": 1.0, "head": 3.0, "tail": 5.0, "new": 3.0}
    assert [expected_end(tables, durations, workers) for workers in (1, 2, 9)] == [12.0, 8.0, 8.0]
    assert expected_durations(tables, {"gone": 99.0}) == {}


def test_room_is_made_before_more_is_begun() -> None:
    tables = (
        planned("a", memory=60),
        planned("b", memory=50),
        planned("c"),
        planned("huge", memory=999),
    )
    durations = {"a": 4.0, "b": 3.0, "c": 2.0, "huge": 1.0}
    schedule = Schedule(tables, durations, lambda table: 5 if table.name == "c" else 0, memory_limit=100)
    assert names(schedule) == ["a"]
    schedule.ended("a")
    assert names(schedule) == ["b", "c"]
    assert 50 + 5 * MEMORY_FACTOR <= 100
    schedule.ended("b")
    assert names(schedule) == []
    schedule.ended("c")
    # One is always under way, however large.
    assert names(schedule) == ["huge"]


@given(CHANCES)
def test_every_table_is_scheduled_once_after_its_inputs(chance: Chance) -> None:
    count = chance.randint(1, 12)
    tables = []
    for index in range(count):
        inputs = chance.sample(range(index), chance.randint(0, min(3, index)))
        tables.append(planned(f"t{index}", *(f"t{i}" for i in inputs), memory=chance.randint(0, 5)))
    durations = {t.name: chance.choice((0, 1, chance.uniform(0, 10))) for t in tables}
    schedule = Schedule(tuple(tables), durations, nothing, memory_limit=chance.choice((None, chance.randint(1, 10))))
    ended: list[str] = []
    running: list[str] = []
    while len(ended) < count:
        while (table := schedule.next()) is not None:
            assert set(table.inputs) <= set(ended)
            running.append(table.name)
        assert running
        ended.append(running.pop(chance.randrange(len(running))))
        schedule.ended(ended[-1])
    assert sorted(ended) == sorted(t.name for t in tables)
    assert schedule.rest() == []
