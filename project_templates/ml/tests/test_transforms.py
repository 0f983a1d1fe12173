"""Transforms are plain functions: call them with small frames."""

import pandas as pd
import transforms

CUSTOMERS = pd.DataFrame(
    {
        "customer_id": [f"{number:03}" for number in range(40)],
        "age": [None, *range(20, 59)],
        "months": range(40),
        "plan": "basic",
        "fee": 19.9,
        "calls": [number % 4 for number in range(40)],
        "cancelled": [number % 4 > 1 for number in range(40)],
    }
)


def test_split_gives_each_customer_to_one_side() -> None:
    """A quarter is held back, with as many that cancelled."""
    features = transforms.features(CUSTOMERS)
    parts = transforms.split(features, 0.25)
    assert len(parts["test"]) == 10
    assert sorted([*parts["train"]["customer_id"], *parts["test"]["customer_id"]]) == [*features["customer_id"]]
    assert parts["test"]["cancelled"].sum() == 5


def test_scores_find_what_is_plain() -> None:
    """Here whoever calls often cancels."""
    parts = transforms.split(transforms.features(CUSTOMERS), 0.25)
    scores = transforms.scores(parts["test"], transforms.model(parts["train"]))
    metrics = transforms.metrics(scores)
    assert metrics["accuracy"] == metrics["roc_auc"] == 1.0
    assert transforms.chart(scores, metrics).axes
