"""A cell that started from a weights file says so in its record, its tables and when it is verified."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from backbones import pinned
from benchmarks.leaderboard import files
from benchmarks.progress.reporter import Reporters
from benchmarks.records import storage
from benchmarks.records.record import Record
from benchmarks.running.local import execute
from benchmarks.running.scoring import blank_record
from benchmarks.running.session import Request, Session, open_session
from benchmarks.support.errors import UserError
from benchmarks.tools.recorded import Recorded
from benchmarks.tools.verify import run_again, same_cell
from tests.leaderboard import make
from tests.making import BACKBONE, digits_suite

EPOCHS = {"epochs": {"head": 1, "tail": 1, "all": 1}, "image_size": 16}


def saved(folder: Path, seed: int = 3) -> Path:
    """Write weights of the test backbone."""
    torch.manual_seed(seed)
    path = folder / f"pre trained {seed}.safetensors"
    save_file({name: t.contiguous() for name, t in timm.create_model(BACKBONE).state_dict().items()}, path)
    return path


def trained(out: Path, weights: Path | None) -> Record:
    """Run one joint cell and return its record."""
    suite = digits_suite(EPOCHS, protocol="joint")
    request = Request(suite=suite, device="cpu", out=out, weights=weights)
    session = open_session(request, lambda line: None, lambda *progress: None)
    execute(session.plan, session.context, out, Reporters())
    (found,), problems = storage.read_all(out / suite.name / "records")
    assert not problems
    return found


def test_the_record_names_the_file_and_is_verified_with_that_file_alone(tmp_path: Path) -> None:
    file = saved(tmp_path)
    plain, given = trained(tmp_path / "plain", None), trained(tmp_path / "given", file)
    short = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    assert plain.setup.recipe["weights"] == "none"
    assert given.setup.recipe["weights"] == {"source": "file", "file": file.name, "sha256": short}
    assert {**given.setup.recipe, "weights": "none"} == plain.setup.recipe

    asked = dataclasses.replace(given, key="")
    for wrong, said in ((None, "give that file with --weights"), (saved(tmp_path, 4), "has other content")):
        with pytest.raises(UserError, match=said) as caught:
            run_again(Recorded(record=asked, weights=wrong), tmp_path / "again")
        assert short in str(caught.value)
    assert same_cell(given, run_again(Recorded(record=given, weights=file), tmp_path / "again")) is None


def test_a_failed_cell_says_it_too(tmp_path: Path) -> None:
    request = Request(suite=digits_suite(EPOCHS), device="cpu", out=tmp_path, weights=saved(tmp_path))
    session = open_session(request, lambda line: None, lambda *progress: None)
    recipe = blank_record(session.context, session.plan.cells[0]).setup.recipe
    assert recipe["weights"]["file"] == "pre trained 3.safetensors"


def test_a_package_s_weights_are_named_and_keyed_by_their_content(tmp_path: Path) -> None:
    if (file := pinned.installed("tf_efficientnet_lite0")) is None:
        pytest.skip("the extra `weights` is not installed")
    said: list[str] = []

    def opened(weights: Path | None) -> Session:
        suite = digits_suite({**EPOCHS, "weights": "imagenet"}, backbones=["efficientnet_lite0"])
        request = Request(suite=suite, device="cpu", out=tmp_path, weights=weights)
        return open_session(request, said.append, lambda *progress: None)

    copied = tmp_path / "copied.pth"
    copied.write_bytes(file.read_bytes())
    found, given = opened(None), opened(copied)
    assert said == [
        "efficientnet_lite0 starts from efficientnet-lite0-57934424.pth (package, sha256 579344248a93).",
        "efficientnet_lite0 starts from copied.pth (file, sha256 579344248a93).",
    ]
    assert found.plan.jobs.keys() == given.plan.jobs.keys()
    record = blank_record(found.context, found.plan.cells[0])
    assert record.setup.imagenet
    assert record.setup.recipe["weights"] == {
        "source": "package", "file": "efficientnet-lite0-57934424.pth", "sha256": "579344248a93e230",
    }  # fmt: skip
    assert Recorded(record=record).suite.recipe.weights == "imagenet"


def test_backbones_with_imagenet_weights_of_their_own_share_a_table(tmp_path: Path) -> None:
    for backbone, strategy, digest in (("a", "none", "01"), ("b", "none", "23"), ("b", "focal", "45")):
        weights = {"source": "hub", "file": f"{backbone}.safetensors", "sha256": digest}
        recipe = {**make.record().setup.recipe, "weights": weights}
        storage.write(make.record(backbone=backbone, strategy=strategy, recipe=recipe), tmp_path)
    pages = files.generate(tmp_path)
    board = pages[Path("toy/leaderboard.md")]
    assert board.count("### Ranking") == 2  # b's second file has a table of its own
    assert "First weights: imagenet." in board
    assert "Its ImageNet weights: a.safetensors (sha256 01), found in: hub." in pages[Path("toy/per-class/a.md")]


def test_cells_of_different_first_weights_meet_in_no_table_and_the_pages_say_which(tmp_path: Path) -> None:
    def of(strategy: str, weights: object, seed: int = 0) -> None:
        recipe = {**make.record().setup.recipe, "weights": weights}
        storage.write(make.record(strategy=strategy, recipe=recipe, seed=seed), tmp_path)

    of("none", "none")
    of("oversample", {"file": "a|b.safetensors", "sha256": "0123"})
    of("focal", {"file": "other.safetensors", "sha256": "4567"})
    of("focal", {"file": "renamed.safetensors", "sha256": "4567"}, seed=1)
    of("drw", "imagenet")
    pages = files.generate(tmp_path)
    board, classes = pages[Path("toy/leaderboard.md")], pages[Path("toy/per-class/resnet10t.md")]
    assert board.count("### Ranking") == 4
    assert "measured under 4 different conditions" in board
    for which in ("a&#124;b.safetensors (sha256 0123)", "other.safetensors (sha256 4567)", "imagenet"):
        assert f"toys, two-stage, 64 px, {which}\n" in board
        assert board.count(f"First weights: {which}.") == classes.count(f"First weights: {which}.") == 1
    assert board.count("First weights: ") == 3
