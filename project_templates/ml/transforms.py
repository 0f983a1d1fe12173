"""The computed tables and assets: each a function of others, without any reading or writing of files."""

import pandas as pd
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

NUMBERS = ["age", "months", "fee", "calls"]


def features(customers: pd.DataFrame) -> pd.DataFrame:
    """Numbers of each customer; the median age where none is known."""
    numbers = customers[["customer_id", *NUMBERS, "cancelled"]].astype({"fee": float, "age": float})
    return numbers.assign(age=numbers["age"].fillna(numbers["age"].median()))


def split(features: pd.DataFrame, share: float) -> dict[str, pd.DataFrame]:
    """Customers to fit the model to, and a `share` of them to judge it by; the same ones each time."""
    train, test = train_test_split(features, test_size=share, random_state=0, stratify=features["cancelled"])
    return {"train": train.sort_values("customer_id"), "test": test.sort_values("customer_id")}


def model(train: pd.DataFrame) -> Pipeline:
    """A logistic regression over scaled numbers."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(train[NUMBERS], train["cancelled"])


def scores(test: pd.DataFrame, model: Pipeline) -> pd.DataFrame:
    """The probability that each customer cancels."""
    probability = model.predict_proba(test[NUMBERS])[:, 1]
    return test[["customer_id", "cancelled"]].assign(probability=probability.round(6))


def metrics(scores: pd.DataFrame) -> dict:
    """How often it is right at one half, and how well it ranks; beside what is right without any model."""
    cancelled, probability = scores["cancelled"], scores["probability"]
    return {
        "customers": len(scores),
        "accuracy": float(accuracy_score(cancelled, probability > 0.5)),
        "accuracy_of_the_majority": float(max(cancelled.mean(), 1 - cancelled.mean())),
        "roc_auc": float(roc_auc_score(cancelled, probability)),
    }


def chart(scores: pd.DataFrame, metrics: dict) -> Figure:
    """How many cancel of those that get some probability, against that probability."""
    share, probability = calibration_curve(scores["cancelled"], scores["probability"], n_bins=5, strategy="quantile")
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.plot(probability, share, marker="o")
    axes.set(xlabel="predicted probability", ylabel="share that cancelled", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"{metrics['customers']} customers, ROC AUC {metrics['roc_auc']:.2f}")
    return figure
