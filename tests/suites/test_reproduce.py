"""The command that trains a recorded cell again names what the record's suite changes of the package's."""

from __future__ import annotations

import dataclasses
from typing import Any

from benchmarks.records.record import Record
from benchmarks.suites import suite as suites
from benchmarks.suites.reproduce import section_command, training_command
from tests.leaderboard import make

CATALOG = "python -m benchmarks run --suite catalog --backbone resnet10t --strategy 'a(b=1)' --seeds 2"


def recorded(suite: str, changes: dict[str, Any], **fields: Any) -> Record:
    """Return a record with the recipe of the suite `catalog`, but for `changes`."""
    made = suites.load("catalog")
    own = {"head_classes": made.head_classes, "validation": made.validation, "folds": made.folds}
    recipe = {**made.recipe.model_dump(mode="json"), **own, **changes}
    return make.record(strategy="a(b=1)", suite=suite, seed=1, recipe=recipe, **{"dataset": "catalog", **fields})


def test_a_cell_of_the_suite_as_it_is_needs_no_settings() -> None:
    assert training_command(recorded("catalog", {})) == CATALOG


def test_what_a_suite_s_name_says_was_changed_is_set() -> None:
    changed = recorded("catalog-learning_rate=0.1", {"learning_rate": 0.1, "validation": 0.2})
    assert training_command(changed) == f"{CATALOG} --set recipe.learning_rate=0.1 --set validation=0.2"


def test_data_that_is_read_from_a_path_or_not_installed_has_a_place_for_it() -> None:
    for dataset in ("folder", "not installed here"):
        assert "--suite catalog --backbone" in (told := training_command(recorded("catalog", {}, dataset=dataset)))
        assert "--data PATH" in told
    assert "--suite folder " in training_command(recorded("folder-pets", {}, dataset="folder"))


def test_a_section_of_the_whole_suite_is_measured_by_all() -> None:
    made = suites.load("catalog")
    cells = [
        dataclasses.replace(recorded("catalog", {}), strategy=strategy, seed=seed)
        for strategy in made.strategies
        for seed in (0, 1)
    ]
    assert section_command(cells) == "python -m benchmarks run --suite catalog --all --seeds 2"
    assert section_command(cells[:4]) == (
        f"python -m benchmarks run --suite catalog --backbone resnet10t --strategy {','.join(made.strategies[:2])} "
        "--seeds 2"
    )


def test_a_section_of_tuned_cells_is_measured_by_tune() -> None:
    searched = {"learning_rate": suites.load("catalog").recipe.learning_rate}
    tuned = {"of": "a", "trials": 8, "failed": 0, "seeds": 2, "default": searched, "settings": {"learning_rate": 0.3}}
    cell = recorded("catalog", {"learning_rate": 0.3}, extra={"tuned": tuned})
    assert section_command([cell]) == (
        "python -m benchmarks tune --trials 8 --trial-seeds 2 --suite catalog --backbone resnet10t --strategy a "
        "--seeds 2"
    )
