"""Distribution alignment against the paper's formula, in float64, and what the trainer freezes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from strategies.base import Facts, Progress
from strategies.combining.expression import parse
from tests.making import digits_session, digits_suite
from tests.strategies.schedules.test_schedules import acted, run_cell

FACTS = Facts((500, 70, 7, 1, 0), tuple("abcde"))


def test_logits_are_scaled_and_shifted_as_far_as_the_confidence_says() -> None:
    draws = np.random.default_rng(0)
    f_BF, w_CF, bias_C, alpha_C, beta_C = (draws.normal(size=s) for s in ((4, 6), (5, 6), 5, 5, 5))
    v_F, b = draws.normal(size=6), 0.3
    linear = torch.nn.Linear(6, 5)
    aligned = parse("disalign").classifier(linear, 6, FACTS).double()
    started_BC = aligned(torch.from_numpy(f_BF))
    torch.testing.assert_close(
        started_BC, torch.nn.functional.linear(torch.from_numpy(f_BF), linear.weight, linear.bias)
    )
    values = {"weight": w_CF, "bias": bias_C, "align_scale_C": alpha_C, "align_shift_C": beta_C}
    values |= {"align_confidence_F": v_F, "align_bias": np.array(b)}
    aligned.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})

    got_BC = aligned(torch.from_numpy(f_BF)).detach().numpy()
    for row, f_F in enumerate(f_BF):
        s = 1 / (1 + np.exp(-(v_F @ f_F + b)))
        z_C = w_CF @ f_BF[row] + bias_C
        np.testing.assert_allclose(got_BC[row], s * (alpha_C * z_C + beta_C) + (1 - s) * z_C, rtol=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.2])
def test_weights_are_a_power_of_the_counts(rho: float) -> None:
    raw = [n**-rho for n in (500, 70, 7, 1)]
    weights_C = parse(f"disalign(rho={rho})").class_weights_C(FACTS, Progress(0, 1))
    np.testing.assert_allclose(weights_C, [4 * w / sum(raw) for w in raw] + [1], rtol=1e-6)


def test_it_acts_for_10_of_100_epochs_and_trains_the_alignment_alone(tmp_path: Path) -> None:
    assert acted("disalign", 100) == [(0, 90, ""), (90, 100, "disalign")]
    suite = digits_suite({"epochs": {"head": 2, "tail": 1}})
    before, after = run_cell(digits_session(tmp_path, suite, strategies=("disalign(start=0.5)",)))
    frozen = [name for name in before if not name.startswith("optimizer")]
    assert frozen and all(torch.equal(before[name], after[name]) for name in frozen)
    assert (after["classifier.align_scale_C"] != 1).any() and (after["classifier.align_shift_C"] != 0).any()
