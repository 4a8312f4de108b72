"""Product names from the data to the record: vocabularies by stage, shared jobs, three strategies that differ."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.data.text.vocabulary import UNKNOWN
from benchmarks.data.text.words import words
from benchmarks.leaderboard.files import generate
from benchmarks.progress.reporter import Reporters
from benchmarks.records.record import Record
from benchmarks.running.cells import stored_records
from benchmarks.running.job import begin, run_job
from benchmarks.running.local import execute
from benchmarks.running.session import Request, Session, open_session
from benchmarks.suites.suite import Suite, validate
from benchmarks.training import checkpoint
from benchmarks.training.batching import text_batches as names
from benchmarks.training.loop import one_epoch
from tests.making import BACKBONE, digits_session, digits_suite
from tests.process import bench, write_suite

STRATEGIES = (
    "none", "balanced-softmax", "text-only", "text-only(mask-class-words=true)", "text-fusion",
    "text-fallback", "text-fallback+balanced-softmax",
)  # fmt: skip


def small_catalog(dataset: str = "catalog", options: dict | None = None, **recipe: object) -> Suite:
    """Return a suite on a part of the drawn catalogue, a second or two a cell."""
    content = {
        "title": "test",
        "dataset": dataset,
        "head_classes": 20,
        "validation": 0.2,
        "backbones": [BACKBONE],
        "strategies": ["none"],
        "options": {"rows_scale": 0.15} if options is None else options,
        "recipe": {
            "image_size": 16,
            "batch_size": 16,
            "epochs": {"head": 4, "tail": 4, "all": 4},
            "precision": "float32",
            **recipe,
        },
    }
    return validate(content, "catalog-test", "test")


def session_of(out: Path, suite: Suite, *strategies: str, **asked: object) -> Session:
    request = Request(suite=suite, device="cpu", out=out, strategies=strategies, **asked)  # type: ignore[arg-type]
    return open_session(request, lambda line: None, lambda *progress: None)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Path, dict[str, Record]]:
    """Run all of `STRATEGIES` once; return the session, its folder, and the records by strategy."""
    out = tmp_path_factory.mktemp("names")
    session = session_of(out, small_catalog(), *STRATEGIES)
    outcome = execute(session.plan, session.context, out, Reporters())
    assert not outcome.failed
    found = stored_records(session.plan, out, "catalog-test")
    return session, out, {cell.strategy: found[cell.key] for cell in session.plan.cells}


def test_the_vocabulary_of_a_stage_knows_its_training_rows_and_those_before_and_no_others(tmp_path: Path) -> None:
    context = session_of(tmp_path, small_catalog(), "none").context
    texts = [words(text) for text in context.loaded.texts or ()]
    (head_NT, head_size), (tail_NT, tail_size) = (
        names.stage_names(context.loaded, context.stages, stage, False) for stage in (1, 2)
    )
    assert head_size < tail_size
    seen: set[str] = set()
    for stage, tokens_NT in zip(context.stages, (head_NT, tail_NT), strict=True):
        seen |= {word for row in stage.data.train_rows for word in texts[row]}
        for row in (*stage.data.train_rows, *stage.data.validation_rows, *stage.data.test_rows):
            known = [word in seen for word in texts[row]] or [False]
            assert [number != UNKNOWN for number in tokens_NT[row][: len(known)]] == known
    unseen = {word for row in context.stages[0].data.test_rows for word in texts[row]} - seen
    assert unseen, "else this tells nothing"
    both = (head_NT > UNKNOWN)[:, : tail_NT.shape[1]]
    np.testing.assert_array_equal(head_NT[both], tail_NT[both])


def test_masking_leaves_no_word_of_any_class_in_any_row(tmp_path: Path) -> None:
    context = session_of(tmp_path, small_catalog(), "none").context
    plain, masked = (names.stage_names(context.loaded, context.stages, 2, mask) for mask in (False, True))
    assert masked[1] < plain[1]
    shirt = next(row for row, text in enumerate(context.loaded.texts or ()) if text.endswith(" Shirt"))
    lengths = [int((tokens_NT[shirt] != 0).sum()) for tokens_NT, _ in (plain, masked)]
    assert lengths[1] == lengths[0] - 1


def test_what_is_shared_and_what_a_key_covers(tmp_path: Path) -> None:
    asked = ("none", "balanced-softmax", "text-only", "text-fusion", "text-fallback", "text-fallback+balanced-softmax")
    plan = session_of(tmp_path, small_catalog(), *asked, backbones=(BACKBONE, f"{BACKBONE}:mlp1")).plan
    cells = {(cell.backbone, cell.strategy): cell for cell in plan.cells}
    for backbone in (BACKBONE, f"{BACKBONE}:mlp1"):
        assert cells[backbone, "text-fallback"].jobs == cells[backbone, "none"].jobs
        assert cells[backbone, "text-fallback+balanced-softmax"].jobs == cells[backbone, "balanced-softmax"].jobs
        assert cells[backbone, "text-fallback"].companions == (cells[backbone, "text-only"].jobs,)
        assert cells[backbone, "text-fallback"].key != cells[backbone, "none"].key
    assert cells[BACKBONE, "text-only"].jobs == cells[f"{BACKBONE}:mlp1", "text-only"].jobs
    assert cells[BACKBONE, "text-fusion"].jobs != cells[f"{BACKBONE}:mlp1", "text-fusion"].jobs
    assert len(plan.jobs) == 2 * (2 + 2 + 2) + 2
    alone = session_of(tmp_path, small_catalog(), "text-fallback").plan
    assert len(alone.jobs) == 4, "its companion comes along unasked"
    assert alone.cells[0].key == cells[BACKBONE, "text-fallback"].key
    other = session_of(tmp_path, small_catalog(precision="bfloat16"), "text-only", "none").plan
    masked = session_of(tmp_path, small_catalog(), "text-only(mask-class-words=true)").plan
    fallback = session_of(tmp_path, small_catalog(), "text-fallback(mask-class-words=true)").plan
    assert masked.cells[0].jobs[0] != cells[BACKBONE, "text-only"].jobs[0]
    assert fallback.cells[0].companions == (masked.cells[0].jobs,)
    assert all(plan.jobs[key].backbone == "names" for key in cells[BACKBONE, "text-only"].needed)
    assert other.cells[0].jobs == cells[BACKBONE, "text-only"].jobs, "no backbone, so no precision"
    assert other.cells[1].jobs != cells[BACKBONE, "none"].jobs


def test_image_text_and_both_differ_and_the_fallback_is_counted(ran: tuple[Session, Path, dict[str, Record]]) -> None:
    _, _, by_strategy = ran
    bits = {name: tuple(stage.top1_bits for stage in record.stages) for name, record in by_strategy.items()}
    assert len({bits[name] for name in ("none", "text-only", "text-fusion", "text-fallback")}) == 4
    top1 = {name: sum(record.stages[0].top1_hits) for name, record in by_strategy.items()}
    assert top1["text-only"] > 1.3 * top1["text-only(mask-class-words=true)"], "most of it was the class's own word"
    assert top1["text-fallback"] > top1["none"]
    for image, fallback in (("none", "text-fallback"), ("balanced-softmax", "text-fallback+balanced-softmax")):
        record = by_strategy[fallback]
        assert set(record.extra) == {"text-fallback", "names", "job_epochs", "confusions"}
        for before, after in zip(by_strategy[image].stages, record.stages, strict=True):
            told = record.extra["text-fallback"][after.name]
            gained = np.subtract(after.top1_hits, before.top1_hits)
            np.testing.assert_array_equal(np.subtract(told["helped"], told["hurt"]), gained)
            assert (np.array(told["taken"]) <= told["asked"]).all()
            assert (np.array(told["asked"]) <= after.test_n).all()
            assert all(a <= b for a, b in zip(after.top1_hits, after.top5_hits, strict=True))
        assert sum(record.extra["text-fallback"]["head"]["asked"])
        assert record.cost.seconds_alone > by_strategy[image].cost.seconds_alone
        assert len(record.stages[0].jobs) == 2


def test_the_pages_say_how_many_names_tell_the_class_and_when_they_were_asked(
    ran: tuple[Session, Path, dict[str, Record]],
) -> None:
    session, out, by_strategy = ran
    texts = {path.as_posix(): text for path, text in generate(out).items()}
    record = by_strategy["text-only"]
    telling = sum(record.extra["names"]["tail"]["telling"])
    share = f"{100 * telling / record.stages[1].rows:.0f} % of the tail's"
    assert share in texts["catalog-test/leaderboard.md"]
    assert 0 < telling < record.stages[1].rows
    page = texts[f"catalog-test/per-class/{BACKBONE}.md"]
    assert page.count("When the name was asked") == 2
    told = by_strategy["text-fallback"].extra["text-fallback"]["tail"]
    rows = session.context.stages[1].data.test_rows
    numbers = [len(rows), *(sum(told[what]) for what in ("asked", "taken", "helped", "hurt"))]
    line = next(
        line for line in page.split("## Tail classes")[1].splitlines() if "*all*" in line and "| text-fallback " in line
    )
    assert [int(cell.replace(",", "")) for cell in line.split("|")[3:-1]] == numbers


def test_names_alone_touch_no_image_and_the_second_stage_keeps_what_was_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = small_catalog(options={"rows_scale": 0.02}, epochs={"head": 1, "tail": 1})
    session = session_of(tmp_path, suite, "text-only", "text-fusion")
    blind = dataclasses.replace(session.context, loaded=dataclasses.replace(session.context.loaded, images_NHWC=None))
    for cell, context in zip(session.plan.cells, (blind, session.context), strict=True):
        head, tail = (chain[-1] for chain in cell.jobs)
        run_job(context, session.plan.jobs[head])
        trained = checkpoint.load(context.store.state(head))[0]
        started = begin(context, session.plan.jobs[tail])
        for name, tensor in started.network.state_dict().items():
            if name.split(".")[0] in ("encoder", "text", "fusion"):
                assert torch.equal(tensor[: len(trained[name])] if tensor.ndim else tensor, trained[name]), name
        run_job(context, session.plan.jobs[tail])


def test_what_reads_names_has_its_own_rate_on_the_recipes_course(tmp_path: Path) -> None:
    suite = small_catalog(options={"rows_scale": 0.02}, epochs={"head": 1, "tail": 1}, learning_rate=0.05)
    session = session_of(tmp_path, suite, "text-fusion")
    training = begin(session.context, session.plan.jobs[session.plan.cells[0].jobs[0][0]])
    rates: list[tuple[float, float]] = []

    def look(epoch: int, step: int) -> None:
        groups = training.optimizer.param_groups
        rates.append((groups[0]["lr"], groups[-1]["lr"]))

    one_epoch(training, look)
    assert all(own == pytest.approx(rate * 0.002 / 0.05) for rate, own in rates)
    trained = {id(p) for group in training.optimizer.param_groups for p in group["params"]}
    assert trained == {id(p) for p in training.network.parameters()}


def _images_with_names(folder: Path) -> Path:
    """Write images of four classes with the oddest of names, and the CSV that lists them."""
    odd = [
        "",
        "   ",
        "!!! ---",
        "シャツ 青い",
        "Crème brûlée Ärmel",
        "zzz qqq",
        "red " * 5_000,
        "\u202eabc\ud7ff",
        "Tie",
    ]
    draws = np.random.default_rng(0)
    rows = []
    for label in range(4):
        for k in range(14):
            image = draws.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / f"{label}-{k}.png"), image)
            text = odd[(label + k) % len(odd)] if k % 2 else f"kind{label} thing"
            rows.append([f"{label}-{k}.png", f"class {label}", "test" if k > 9 else "train", text])
    path = folder / "images.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["path", "label", "split", "text"], *rows])
    return path


def test_missing_empty_long_foreign_and_unknown_names_are_read(tmp_path: Path) -> None:
    suite = small_catalog("folder", {}, epochs={"head": 2, "tail": 2}, batch_size=8)
    suite = suite.model_copy(update={"head_classes": 2})
    data = tmp_path / "images"
    data.mkdir()
    asked = ("text-only", "text-fusion", "text-fallback", "text-only(mask-class-words=true)")
    session = session_of(tmp_path / "out", suite, *asked, data=_images_with_names(data))
    assert not execute(session.plan, session.context, tmp_path / "out", Reporters()).failed
    records = stored_records(session.plan, tmp_path / "out", suite.name)
    assert len(records) == 4
    assert all(record.status == "done" and record.stages[1].rows == 8 for record in records.values())


def test_a_data_set_without_names_leaves_them_out_and_refuses_them_by_name(tmp_path: Path) -> None:
    said: list[str] = []
    suite = digits_suite(strategies=["none", "text-only"])
    open_session(Request(suite=suite, device="cpu", out=tmp_path), said.append, lambda *progress: None)
    assert said == ["text-only is left out: digits-test has no names of its rows."]
    globbed = digits_session(tmp_path, strategies=("none", "text-*"))
    assert [cell.strategy for cell in globbed.plan.cells] == ["none"]
    path = write_suite(tmp_path)
    result = bench(tmp_path, "plan", "--suite", path, "--strategy", "none,text-fallback+oversample")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "text-fallback+oversample cannot run: tiny has no names of its rows" in result.stderr
    blind = digits_session(tmp_path, digits_suite(validation=0.0), strategies=("none", "over*"))
    assert "oversample-weak" not in [cell.strategy for cell in blind.plan.cells]
