"""Functions are called with small frames; the file of a query is run on them by DuckDB."""

from pathlib import Path

import duckdb
import pandas as pd
import transforms

TRIPS = pd.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "bicycle": ["B01", "B01", "B01", "B02"],
        "from_station": ["007", "012", "007", "012"],
        "to_station": ["012", "012", "040", "012"],
        "started_at": pd.to_datetime(["2025-06-02 08:00", "2025-06-02 09:00", "2025-06-02 10:00", "2025-06-02 08:00"]),
    }
)
STATIONS = pd.DataFrame({"id": ["007", "012", "040"], "name": ["Harbour", "Old Town", "Airport"]})


def test_van_moves_are_trips_that_begin_elsewhere() -> None:
    """B01 was left in the old town after its second trip, and its third begins at the harbour."""
    moves = transforms.van_moves(TRIPS)
    assert moves.to_dict("records") == [
        {"bicycle": "B01", "before_trip": 3, "from_station": "012", "to_station": "007"}
    ]


def test_busiest_stations_are_ranked_by_visits() -> None:
    """The airport, with a single arrival, is not among the first two."""
    query = (Path(__file__).parent.parent / "sql" / "busiest_stations.sql").read_text(encoding="utf-8")
    connection = duckdb.connect()
    connection.register("trips", TRIPS)
    connection.register("stations", STATIONS)
    assert connection.execute(query, {"top": 2}).fetchall() == [
        (1, "012", "Old Town", 2, 3),
        (2, "007", "Harbour", 2, 0),
    ]
