"""What is easier in Python: a function each, frame in, frame out."""

import pandas as pd


def van_moves(trips: pd.DataFrame) -> pd.DataFrame:
    """Bicycles whose trip begins elsewhere than the one before ended: a van has moved them in between."""
    ordered = trips.sort_values(["bicycle", "started_at"])
    left_at = ordered.groupby("bicycle")["to_station"].shift()
    moved = ordered.assign(left_at=left_at)[left_at.notna() & (left_at != ordered["from_station"])]
    return pd.DataFrame(
        {
            "bicycle": moved["bicycle"],
            "before_trip": moved["id"],
            "from_station": moved["left_at"],
            "to_station": moved["from_station"],
        }
    )
