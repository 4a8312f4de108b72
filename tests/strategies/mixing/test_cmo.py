"""CMO: the distribution of foregrounds, the pasted box, the epochs, and the second batch of the real trainer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.running.job import begin
from benchmarks.training import loop as train
from strategies.base import Batch, Facts, Progress
from strategies.combining.expression import parse
from strategies.mixing.cmo import Cmo
from strategies.mixing.cutmix import draw_box
from strategies.mixing.mixup import draw_beta
from tests.making import digits_session, digits_suite
from tests.planning.test_plan import EPOCHS, plan
from tests.strategies.mixing.test_mixing import batch, generator
from tests.strategies.schedules.test_schedules import acted

FACTS = Facts((900, 300, 299, 3, 1, 0), tuple("abcdef"))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 40.0, 500.0])
def test_foregrounds_are_drawn_by_inverse_frequency(power: float) -> None:
    counts = [900, 300, 299, 3, 1]
    q = parse(f"cmo(power={power})").second_C(FACTS, Progress(0, 1))
    log_q = -power * np.log(counts)
    expected = np.exp(log_q - log_q.max()) / np.exp(log_q - log_q.max()).sum()
    np.testing.assert_allclose(q, [*expected, 0.0], rtol=1e-6, atol=1e-300)
    balanced = parse(f"cmo(power={power})").second_C(Facts((7, 7), ("a", "b")), Progress(0, 1))
    np.testing.assert_allclose(balanced, [0.5, 0.5])


def pair(size: int, seed: int) -> Batch:
    return dataclasses.replace(batch(size, seed), second=batch(size, seed + 1000))


def test_a_box_of_the_second_batch_is_pasted_and_the_target_follows_its_area() -> None:
    pasted = []
    for seed in range(40):
        given = pair(5, seed)
        mixed = parse("cmo").mix(given, FACTS, generator(seed))
        draws = generator(seed)
        if float(torch.rand((), generator=draws)) >= 0.5:
            assert mixed is given
            pasted.append(False)
            continue
        top, bottom, left, right = draw_box(6, 9, draw_beta(1.0, draws), draws)
        inside = np.zeros((6, 9), dtype=bool)
        inside[top:bottom, left:right] = True
        assert given.second is not None
        expected = np.where(inside, given.second.images_BCHW.numpy(), given.images_BCHW.numpy())
        np.testing.assert_array_equal(mixed.images_BCHW.numpy(), expected)
        kept = 1 - inside.mean()
        y_BC = kept * given.y_BC.numpy() + (1 - kept) * given.second.y_BC.numpy()
        np.testing.assert_allclose(mixed.y_BC.numpy(), y_BC, rtol=1e-6)
        assert torch.equal(mixed.labels_B, given.labels_B) and mixed.second is None
        pasted.append(True)
    assert 10 < sum(pasted) < 30, "half of the batches"
    assert sum(Cmo(share=1.0).mix(pair(3, s), FACTS, generator(s)).second is None for s in range(9)) == 9


@pytest.mark.parametrize(
    ("epochs", "spans"),
    [
        (200, [(0, 4, ""), (4, 197, "cmo"), (197, 200, "")]),
        (12, [(0, 12, "cmo")]),
        (1, [(0, 1, "cmo")]),
        (50, [(0, 1, ""), (1, 49, "cmo"), (49, 50, "")]),
    ],
)
def test_it_pastes_from_epoch_4_to_196_of_200_and_alike(epochs: int, spans: list[tuple[int, int, str]]) -> None:
    assert acted("cmo", epochs) == spans


def test_late_or_early_it_shares_plain_trainings_beginning_and_acts_at_least_once() -> None:
    made = plan("none", "cmo(start=0.5)", "cmo(start=0.5,end=0.8)")
    plain, whole, cut = made.cells
    assert plain.jobs[0][0] == whole.jobs[0][0] == cut.jobs[0][0]
    assert [made.jobs[key].end for key in cut.jobs[0]] == [5, 8, EPOCHS]
    for epochs in range(1, 30):
        for text in ("cmo(start=0.97,end=0.98)", "cmo(end=0.01,start=0)", "cmo(start=0.5,end=0.5001)"):
            assert sum(acts == text.replace(",start=0)", ")") or bool(acts) for *_, acts in acted(text, epochs)) == 1


def test_the_trainers_second_batches_are_drawn_by_it_keyed_and_augmented_on_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = digits_session(tmp_path, digits_suite({"epochs": {"head": 2, "tail": 1}}), strategies=("cmo(power=3)",))
    training = begin(session.context, session.plan.jobs[session.plan.cells[0].jobs[0][-1]])
    # facts of another tail than the digits have, so that the draws must follow them
    training.facts = dataclasses.replace(training.facts, counts_C=(80, 80, 40, 40, 20))
    seen: list[Batch] = []

    def watch(self: Cmo, given: Batch, facts: Facts, draws: Any) -> Batch:
        seen.append(given)
        return given

    monkeypatch.setattr(Cmo, "mix", watch)
    train.run(training, lambda *_: None, lambda _: None)
    labels = np.concatenate([given.second.labels_B.numpy() for given in seen if given.second is not None])
    assert len(labels) == sum(len(given.labels_B) for given in seen)
    expected_C = np.array([1, 1, 8, 8, 64]) / 82
    share_C = np.bincount(labels, minlength=5) / len(labels)
    assert abs(share_C - expected_C).max() < 4 * np.sqrt(0.25 / len(labels))
    rows = [train.second_rows(training, Progress(e, 2), (0, 1, e)) for e in (0, 0, 1)]
    assert np.array_equal(rows[0], rows[1]) and not np.array_equal(rows[0], rows[2])  # type: ignore[arg-type]
    assert not torch.equal(seen[0].images_BCHW, seen[0].second.images_BCHW)  # type: ignore[union-attr]


def test_losses_schedules_and_new_classifiers_join() -> None:
    for text in ("cmo+ldam+drw", "cmo+balanced-softmax", "drs+cmo", "cmo+crt"):
        assert str(parse(text)) == text
