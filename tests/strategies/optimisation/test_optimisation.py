"""SAM and weight averages against NumPy float64, on weights that are moved by hand and through the trainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.training import loop
from benchmarks.training.ascent import only_rows, take_gradients
from strategies.base import Batch, Facts, Outputs, Progress, Step, Trained
from strategies.combining.expression import parse
from tests.making import digits_session, digits_suite
from tests.strategies.schedules.test_schedules import run_cell

FACTS = Facts((9, 1), ("a", "b"))
NOTHING = Trained(tuple, lambda: (np.zeros((0, 3), np.float32), np.zeros(0, np.int64)))


@pytest.mark.parametrize("rho", [0.0, 0.05, 2.0])
def test_sam_moves_along_the_gradient_over_all_weights_and_back(rho: float) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)).double()
    network[0].bias.requires_grad_(False)
    network(torch.randn(5, 3, dtype=torch.float64)).square().sum().backward()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    gradients = {name: p.grad.numpy() for name, p in network.named_parameters() if p.grad is not None}
    length = np.sqrt(sum((g**2).sum() for g in gradients.values()))
    move_back = parse(f"sam(rho={rho})").ascend(network)
    assert move_back is not None
    for name, parameter in network.named_parameters():
        expected = before[name].numpy() + rho * gradients.get(name, 0.0) / length
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-6, atol=1e-15)
    move_back()
    assert all(torch.equal(p, before[name]) for name, p in network.named_parameters())


def test_a_gradient_of_zero_moves_nothing() -> None:
    network = torch.nn.Linear(2, 1)
    (network(torch.zeros(1, 2)) * 0).sum().backward()
    before = network.weight.detach().clone()
    parse("sam").ascend(network)
    assert torch.equal(network.weight, before)


def test_the_trainer_takes_the_gradient_there(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 1, "tail": 1}})
    states = [
        run_cell(digits_session(tmp_path / text, suite, strategies=(text,)))[-1]
        for text in ("none", "sam(rho=0)", "sam(rho=0.5)")
    ]
    plain, still, moved = ({n: t for n, t in state.items() if not n.startswith("optimizer")} for state in states)
    assert all(torch.equal(plain[name], still[name]) for name in plain), "rho 0 is plain training, in its bits"
    assert not torch.equal(plain["classifier.weight"], moved["classifier.weight"])


def softmax_gradient(W_CF: np.ndarray, x_BF: np.ndarray, y_BC: np.ndarray, rows_B: np.ndarray) -> np.ndarray:
    """Return the gradient in W of these rows' part of the batch's mean cross entropy."""
    z_BC = x_BF @ W_CF.T
    p_BC = np.exp(z_BC) / np.exp(z_BC).sum(1, keepdims=True)
    return ((p_BC - y_BC) * rows_B[:, None]).T @ x_BF / len(x_BF)


@pytest.mark.parametrize("mixed", [False, True])
def test_imbsam_takes_the_gradient_of_the_rare_classes_elsewhere_and_the_rest_in_place(mixed: bool) -> None:
    draws, facts = np.random.default_rng(0), Facts((50, 19, 20, 1), tuple("abcd"))
    x_BF, y_BC = draws.normal(size=(6, 3)), np.eye(4)[[0, 1, 2, 3, 1, 0]]
    if mixed:
        y_BC = 0.6 * y_BC + 0.4 * y_BC[::-1]  # the largest share says which class a sample is of
    network = torch.nn.Linear(3, 4, bias=False).double()
    W_CF, tail_B = network.weight.detach().numpy().copy(), np.array([0, 1, 0, 1, 1, 0])
    strategy, inputs = parse("imbsam(rho=0.7)"), (torch.from_numpy(x_BF), torch.from_numpy(y_BC))
    batch = Batch(torch.zeros(6, 3, 1, 1), inputs[1].argmax(1), inputs[1])

    def again(part: bool) -> None:
        network.zero_grad()
        outputs = Outputs(network(inputs[0]), inputs[0])
        step = Step(facts, Progress(0, 1), torch.ones(4).double(), torch.Generator(), network=network)
        outputs = only_rows(outputs, batch, step, strategy) if part else outputs
        torch.nn.functional.cross_entropy(outputs.logits_BC, batch.y_BC).backward()

    again(False)
    take_gradients(network, strategy, facts, again)
    g_CF = softmax_gradient(W_CF, x_BF, y_BC, tail_B)
    moved_CF = W_CF + 0.7 * g_CF / np.linalg.norm(g_CF)
    expected_CF = softmax_gradient(W_CF, x_BF, y_BC, 1 - tail_B) + softmax_gradient(moved_CF, x_BF, y_BC, tail_B)
    np.testing.assert_allclose(network.weight.grad.numpy(), expected_CF, rtol=1e-6)
    np.testing.assert_array_equal(network.weight.detach().numpy(), W_CF)


def test_imbsam_is_plain_training_without_rare_classes_and_sam_where_all_are_rare(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 1, "tail": 1}})
    plain, none_rare, sam, all_rare = (
        run_cell(digits_session(tmp_path / text, suite, strategies=(text,)))[-1]["classifier.weight"]
        for text in ("none", "imbsam(fewest=1)", "sam", "imbsam(fewest=100000)")
    )
    assert torch.equal(plain, none_rare) and torch.equal(sam, all_rare) and not torch.equal(plain, sam)


@pytest.mark.parametrize(("text", "decay"), [("ema(decay=0.6)", 0.6), ("ema(decay=0)", 0.0), ("swa", 1.0)])
def test_averages_are_those_of_the_formula(text: str, decay: float) -> None:
    strategy, network = parse(text), torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).double()
    strategy.attach(network, FACTS)
    draws, mean = np.random.default_rng(0), 0.0
    for t in range(1, 8):
        value = draws.normal(size=(3, 2))
        with torch.no_grad():
            network[0].weight.copy_(torch.from_numpy(value))
            network[1].num_batches_tracked.fill_(t)
            strategy.after_step(network, None, None, None)  # type: ignore[arg-type]
        d = min(decay, 1 - 1 / t)
        mean = d * mean + (1 - d) * value
    strategy.after_training(network, FACTS, NOTHING)
    np.testing.assert_allclose(network[0].weight.detach().numpy(), mean, rtol=1e-6)
    assert network[1].num_batches_tracked == 7 and len(network) == 2, "the copy is dropped"


def test_swa_is_the_mean_of_the_weights_after_each_step_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    one_epoch = loop.one_epoch

    def watched(training, on_step):
        def noted(epoch: int, step: int) -> None:
            if epoch == 1:
                seen.append(training.network.classifier.weight.detach().double().numpy().copy())
            on_step(epoch, step)

        return one_epoch(training, noted)

    monkeypatch.setattr(loop, "one_epoch", watched)
    suite = digits_suite({"epochs": {"head": 2, "tail": 1}})
    *_, last = run_cell(digits_session(tmp_path, suite, strategies=("swa(start=0.5)",)))
    assert len(seen) > 1 and not any(name.startswith("averaged") for name in last)
    np.testing.assert_allclose(last["classifier.weight"].numpy(), np.mean(seen, axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("text", ["ema+group-dro", "group-dro+ema"])
def test_an_average_leaves_alone_what_another_part_attached(text: str) -> None:
    strategy, network = parse(text), torch.nn.Module()
    network.add_module("encoder", torch.nn.Linear(2, 2))
    strategy.attach(network, FACTS)
    strategy.after_training(network, FACTS, NOTHING)
    assert set(network.state_dict()) == {"encoder.weight", "encoder.bias"}
