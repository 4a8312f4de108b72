"""Contrast where the layers below the classifier alone are trained, as a schedule of one's own may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.running.job import begin
from benchmarks.training.loop import one_epoch
from tests.making import digits_session, digits_suite, with_phase


@pytest.mark.parametrize("text", ["bcl", "proco", "glmc"])
@pytest.mark.parametrize("pieces", [1, 2])
def test_the_layers_for_contrast_answer_although_the_classifier_is_frozen(
    tmp_path: Path, text: str, pieces: int
) -> None:
    suite = digits_suite({"epochs": {"head": 1, "tail": 1}})
    session = digits_session(tmp_path, suite, strategies=(text,))
    job = with_phase(session.plan.jobs[session.plan.cells[0].jobs[0][0]], trains="encoder")
    training = begin(session.context, job)
    training.pieces = pieces
    before = {name: tensor.clone() for name, tensor in training.network.named_parameters()}
    one_epoch(training, lambda *_: None)
    moved = {name.split(".")[0] for name, p in training.network.named_parameters() if not p.equal(before[name])}
    assert moved == {"encoder"}
