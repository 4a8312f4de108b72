"""`tune` as users type it: trials, the choice, its records and pages, and its errors."""

from __future__ import annotations

import csv
import signal
import subprocess
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.records import storage
from tests.process import bench, interrupted, write_suite

PICKY = """
import dataclasses
from strategies.base import Strategy
from strategies.registry import register
from strategies.space import Real

@register
@dataclasses.dataclass(frozen=True)
class Picky(Strategy):
    "Fails wherever its parameter is not the default."
    name = "picky"
    summary = "fails away from its default"
    power: float = 1.0

    def space(self):
        return {"power": Real(0.5, 2.0)}

    def class_weights_C(self, facts, progress):
        if self.power != 1.0:
            raise ZeroDivisionError("not with this power")
        return facts.counts ** 0 + 1.0
"""
RECIPE = "learning_rate = 0.05\nweight_decay = 5e-4"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    path = write_suite(folder, recipe=RECIPE)
    path.write_text(path.read_text().replace("head_classes = 5", "head_classes = 5\nvalidation = 0.2\nseeds = 2"))
    (folder / "picky.py").write_text(PICKY)
    return folder


@pytest.fixture(scope="module")
def tuned(place: Path) -> subprocess.CompletedProcess[str]:
    bench(place, "run", "--suite", "tiny.toml", "--strategy", "none", "--backbone", "test_resnet")
    return tune(place)


def tune(place: Path) -> subprocess.CompletedProcess[str]:
    return bench(
        place, "tune", "--suite", "tiny.toml", "--strategy", "none,picky", "--trials", "3", "--plugin", "picky.py"
    )


def rows(place: Path, strategy: str) -> list[dict[str, str]]:
    with open(place / "runs" / "tiny" / "trials" / "test_resnet" / f"{strategy}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_trial_that_fails_is_named_and_skipped(place: Path, tuned: subprocess.CompletedProcess[str]) -> None:
    assert tuned.returncode == 1
    assert tuned.stderr.count("failed: test_resnet | picky(power=") == 2
    assert "2 of 6 cells failed" in tuned.stderr
    default, *others = rows(place, "picky")
    assert default["chosen"] == "yes" and 0 <= float(default["validation"]) <= 1
    assert all(row["error"] == "ZeroDivisionError: not with this power" and not row["validation"] for row in others)


def test_all_trials_are_kept_and_the_best_is_run_with_all_seeds(
    place: Path, tuned: subprocess.CompletedProcess[str]
) -> None:
    tried = rows(place, "none")
    assert [row["trial"] for row in tried] == ["0", "1", "2"]
    (chosen,) = (row for row in tried if row["chosen"])
    assert float(chosen["validation"]) == max(float(row["validation"]) for row in tried)
    records, problems = storage.read_all(place / "runs" / "tiny" / "records")
    assert not problems
    marked = [record for record in records if record.tuned and record.strategy == "none"]
    assert [record.seed for record in marked] == [0, 1]
    assert marked[0].key in {key for row in tried for key in row["keys"].split()}
    assert (marked[0].tuned or {})["trials"] == 3
    assert str(marked[0].setup.recipe["learning_rate"]) == (chosen["learning_rate"] or "0.05")
    assert sum(record.tuned is None for record in records) == 2  # the run's own


def test_the_page_shows_default_and_tuned_apart_and_together(
    place: Path, tuned: subprocess.CompletedProcess[str]
) -> None:
    page = (place / "runs" / "tiny" / "leaderboard.md").read_text()
    plain, own = page.split("## 2. ")
    assert (
        "tuned (3 trials)" in own.splitlines()[0]
        and "learning\\_rate tuned" in own
        and "tuned" not in plain.split("## 1.")[1]
    )
    table = own.split("### Default and tuned")[1]
    row = next(line for line in table.splitlines() if "| none " in line)
    assert row.count("[") == 2  # both stages were run with the default too
    assert "| picky " in table and "the default" in table
    assert not list((place / "runs").glob("tiny-*"))  # trials have no page
    assert bench(place, "leaderboard", "--check", "--out", "runs").returncode == 0


def test_the_same_command_continues(place: Path, tuned: subprocess.CompletedProcess[str]) -> None:
    again = tune(place)
    assert again.returncode == 1  # what failed is tried again
    assert "6 cells, " in again.stdout and "done already: 4." in again.stdout
    assert "All is done already (4 cells)" in again.stdout


def test_an_interrupted_search_continues(place: Path) -> None:
    arguments = [
        "tune",
        "--suite",
        "tiny.toml",
        "--strategy",
        "none",
        "--trials",
        "3",
        "--seeds",
        "1",
        "--out",
        "again",
    ]
    code, _, errors = interrupted(place, signal.SIGINT, "[1/3", *arguments)
    assert code == 130 and "To continue: python -m benchmarks tune --suite" in errors
    done = bench(place, *arguments)
    assert done.returncode == 0 and "done already: 0." not in done.stdout
    assert len(list((place / "again" / "tiny" / "records").glob("*/none-tuned-seed0.json"))) == 1


def test_status_and_clean_know_trials(place: Path, tuned: subprocess.CompletedProcess[str]) -> None:
    assert bench(place, "status").returncode == 0
    kept = {key for row in rows(place, "none") for key in row["keys"].split()}
    assert kept
    would = bench(place, "clean", "--dry-run").stdout
    assert "predictions.npz" not in would and "result.json" not in would


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--all", "--set", "validation=0"], "has none; add --set validation=0.1."),
        (["--all", "--trials", "0"], "for '--trials'"),
        ([], "tune needs to know what to train: add --all for the whole suite"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--suite", "digits", "--out", str(tmp_path / "runs"), *arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not (tmp_path / "runs").exists()
