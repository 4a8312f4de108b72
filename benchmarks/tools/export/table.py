"""Predictions as the rows of a table, for the CSV of `predict` and the API's data frame."""

from __future__ import annotations

from benchmarks.tools.export.predict import Prediction


def header(classes: int) -> list[str]:
    """Return the columns: image, unsure, class, probability, class_2, probability_2 and so on."""
    names = [("class", "probability"), *((f"class_{k}", f"probability_{k}") for k in range(2, classes + 1))]
    return ["image", "unsure", *(name for pair in names[:classes] for name in pair)]


def row(one: Prediction, below: float) -> list[str | bool | float]:
    """Return the values of `header` for a readable image."""
    answers = zip(one.classes, one.probabilities, strict=True)
    return [one.path, one.unsure(below), *(value for pair in answers for value in pair)]
