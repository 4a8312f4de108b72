"""`recommend` on real small trainings: ten lines, a page kept for `export`, and honest where nothing can be said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from backbones.pinned import installed as weights_of
from backbones.probe import Choice
from benchmarks.cli import main
from benchmarks.leaderboard.report import page
from benchmarks.records import storage
from benchmarks.running import session
from benchmarks.tools.export import export
from benchmarks.tools.recommend import finetune, saved, setup
from benchmarks.training.stored import extractor
from tests.process import write_suite

ASKED = ["--budget", "1h", "--backbone", "test_resnet", "--threads", "1", "--device", "cpu"]


@pytest.fixture(scope="module", autouse=True)
def _from_scratch():
    """Let no ImageNet weights be installed, so that a network of half a million parameters is trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup, "installed", lambda name: None)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an answer for the digits, among three strategies."""
    folder = tmp_path_factory.mktemp("recommended")
    suite = write_suite(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["recommend", "--suite", suite.name, "--strategy", "oversample,logit-adjust-posthoc", *ASKED]) == 0
    return folder


def images(folder: Path, counts: list[int]) -> Path:
    """Draw a class/image tree: squares in a grey of their class, with noise."""
    random = np.random.default_rng(0)
    for c, count in enumerate(counts):
        (folder / f"class{c:03}").mkdir(parents=True)
        for k in range(count):
            grey = 255 * c / len(counts) + random.normal(0, 10, (8, 8, 3))
            cv2.imwrite(str(folder / f"class{c:03}" / f"{k}.png"), np.clip(grey, 0, 255).astype(np.uint8))
    return folder


DRAWN = """
title = "Drawn"
dataset = "folder"
backbones = ["test_resnet"]
strategies = ["none"]

[recipe]
image_size = 8
batch_size = 64
learning_rate = 0.05
precision = "float32"

[recipe.epochs]
all = 1
"""


def answer(folder: Path, counts: list[int], monkeypatch: pytest.MonkeyPatch, *more: str) -> saved.Recommended:
    """Return the recommendation for drawn images."""
    monkeypatch.chdir(folder)
    data = images(folder / "images", counts)
    (folder / "drawn.toml").write_text(DRAWN)
    asked = ["--suite", "drawn.toml", "--strategy", "logit-adjust-posthoc", *ASKED, *more]
    assert main(["recommend", "--data", str(data), *asked]) == 0
    return saved.latest(folder / "runs")


def test_the_answer_is_ten_lines_and_a_page(place: Path) -> None:
    found = saved.latest(place / "runs")
    assert len(found.lines) <= 10
    text = "\n".join(found.lines)
    for part in ("Recommended: ", "Why: ", "Top group: ", "On test rows: ", "Data: ", "What would change it: "):
        assert part in text, text
    shown = (place / "runs" / found.suite / saved.PAGE).read_text()
    for name in ("none", "oversample", "logit-adjust-posthoc"):
        assert f"| {name} " in shown
    assert f"python -m benchmarks export recommended --to {'MODEL'}" in shown


def test_all_finalists_have_the_same_seeds_and_records(place: Path) -> None:
    found = saved.latest(place / "runs")
    records, problems = storage.read_all(place / "runs" / found.suite / "records")
    assert not problems and {record.setup.protocol for record in records} == {"joint"}
    assert {record.seed for record in records if record.strategy == "none"} == set(range(5))
    assert found.record(place / "runs").is_file()


def test_the_same_command_again_trains_nothing(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.chdir(place)
    assert main(["recommend", "--suite", "tiny.toml", "--strategy", "oversample,logit-adjust-posthoc", *ASKED]) == 0
    assert ", loss " not in capsys.readouterr().out


def test_a_spent_budget_leaves_the_answer_as_it_was(place: Path, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    asked = ["--suite", "tiny.toml", "--strategy", "oversample,logit-adjust-posthoc", *ASKED, "--budget", "1s"]
    assert main(["recommend", *asked]) == 0
    assert saved.latest(tmp_path / "runs").lines == saved.latest(place / "runs").lines


def test_the_report_has_the_answer_with_hostile_names_escaped(place: Path, tmp_path: Path) -> None:
    found = saved.latest(place / "runs")
    shown = (place / "runs" / found.suite / page.NAME).read_text()
    assert 'id="recommendation"' in shown and "What would change the answer" in shown
    content = json.loads((place / "runs" / found.suite / saved.CONTENT).read_text())
    content["blocks"][0]["lines"] = ["<script>alert(1)</script>"]
    (tmp_path / saved.CONTENT).write_text(json.dumps(content))
    assert "&lt;script&gt;" in page.recommendation.section(tmp_path)
    assert "<script" not in page.recommendation.section(tmp_path)


def test_export_takes_the_recommended_model(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(export, "to_onnx", lambda *_: b"")  # takes seconds, and is not looked at here
    assert main(["export", "recommended", "--suite", "tiny.toml", "--to", "model"]) == 0
    written = json.loads((place / "model" / "model.json").read_text())
    found = saved.latest(place / "runs")
    assert (written["strategy"], written["seed"], written["stage"]) == (found.strategy, found.seed, "all")
    assert "\n- Top group: " in (place / "model" / "README.md").read_text()


def test_export_without_a_recommendation_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "recommended", "--to", str(tmp_path / "model"), "--out", str(tmp_path)]) == 2
    assert "no recommendation below" in capsys.readouterr().err


def test_on_balanced_data_nothing_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = answer(tmp_path, [60, 60, 60], monkeypatch)
    assert found.strategy == "none"
    assert "nothing is needed" in "\n".join(found.lines)


@pytest.mark.skipif(weights_of(setup.TIMM_NAME) is None, reason="no ImageNet weights are installed (`weights`)")
def test_what_is_left_is_fine_tuned_where_the_budget_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(setup, "installed", weights_of)
    monkeypatch.setattr(setup, "LEAST_IMAGES", 1)
    monkeypatch.setattr(finetune, "MOST_SEEDS", 1)
    monkeypatch.setattr(extractor, "NEEDED", ("no_such_library",))  # torch starts sooner than ONNX Runtime
    images(tmp_path / "images", [60, 20])

    def answered(images_per_s: float) -> saved.Recommended:
        timed = Choice("contiguous", "float32", {"contiguous float32": images_per_s})
        monkeypatch.setattr(session, "choose", lambda *_: timed)
        asked = ["--strategy", "logit-adjust-posthoc", "--image-size", "16", "--budget", "1h", *ASKED[-4:]]
        assert main(["recommend", "--data", "images", *asked]) == 0
        return saved.latest(tmp_path / "runs")

    found = answered(0.001)
    assert any(line.startswith("Fine-tuning: not tried: plain training and ") for line in found.lines), found.lines
    assert "Frozen or fine-tuned" not in {line for block in found.blocks for line in block.lines}
    monkeypatch.setattr(finetune, "LEAST_GAIN", -2.0)  # then any gain is enough
    found = answered(1000.0)
    assert "fine-tuned (16 px, 6 epochs)" in found.lines[0]
    assert "Frozen or fine-tuned" in {line for block in found.blocks for line in block.lines}
    assert storage.read(found.record(tmp_path / "runs")).setup.recipe["trains"] == "all"
    assert "finetune" in found.suite and "recipe.image_size=16" in found.blocks[-1].lines[0]


@pytest.mark.parametrize(("dataset", "mirrors"), [("catalog", True), ("digits", False)])
def test_mirrors_are_for_fine_tuning_of_what_may_be_mirrored(
    dataset: str, mirrors: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "installed", lambda name: Path("weights.pth"))
    chosen = setup.suite_for(dataset, None, device="cpu", budget_s=1800.0)
    assert chosen.suite.recipe.frozen and not chosen.suite.recipe.flip
    tuned = setup.fine_tuning(chosen.suite, 1000, 1800.0, mirrors=chosen.mirrors).recipe
    assert (tuned.trains, tuned.flip, tuned.flip_test) == ("all", mirrors, mirrors)


def test_too_few_images_are_named_instead_of_a_ranking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = answer(tmp_path, [27, 3], monkeypatch)
    assert found.lines[0].startswith("No recommendation: too few images")
    assert "15 validation rows in 1 of 2 classes" in found.lines[1]


def test_a_class_of_three_images_is_named_and_the_others_are_compared(tmp_path: Path, monkeypatch) -> None:
    found = answer(tmp_path, [200, 40, 3], monkeypatch, "--goal", "worst-class", "--keep-head", "0.01")
    assert found.lines[0].startswith("Recommended: ")
    assert "class002" in "\n".join(found.lines)


def test_two_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = answer(tmp_path, [200, 40], monkeypatch, "--goal", "macro-f1")
    assert found.lines[0].startswith("Recommended: ") and "macro-F1" in found.lines[0]


def test_three_hundred_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = answer(tmp_path, [16] * 20 + [5] * 280, monkeypatch, "--goal", "top-1", "--budget", "1s")
    assert found.lines[0].startswith("Recommended: ")
    assert any("300 classes have fewer than 20 training rows" in line for b in found.blocks for line in b.lines)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--budget", "soon"], "--budget soon is no time"),
        (["--goal", "best"], "best"),
        (["--keep-head", "2"], "keep-head"),
        (["--jobs-per-device", "2"], "--executor ray"),
        (["--data", "missing"], "missing"),
        ([], "add --data MY_IMAGES"),
        (["--suite", "digits", "--strategy", "text-only"], "text"),
    ],
)
def test_mistakes_end_in_one_sentence(asked: list[str], said: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["recommend", *asked]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("error: ") and error.count("\n") == 1


def test_each_seed_validates_on_other_rows_and_a_run_trains_one_of_them(place: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(place)
    found = saved.latest(place / "runs")
    records, _ = storage.read_all(place / "runs" / found.suite / "records")
    assert {record.setup.recipe["folds"] for record in records} == {setup.FOLDS}
    assert len({record.stages[0].rows_key for record in records}) == 1
    asked = ["run", "--suite", "tiny.toml", "--protocol", "joint", "--set", f"folds={setup.FOLDS}", *ASKED[2:]]
    assert main([*asked, "--strategy", "oversample", "--seeds", "2"]) == 2
    assert "holds out another of 5 folds" in capsys.readouterr().err
    assert main([*asked, "--strategy", "oversample", "--seeds", "1"]) == 0  # the jobs are those of `recommend`
    assert ", loss " not in capsys.readouterr().out
