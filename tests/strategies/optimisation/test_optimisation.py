"""SAM and weight averages against NumPy float64, on weights that are moved by hand and through the trainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.training import loop
from strategies.base import Facts, StrategyError, Trained
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


@pytest.mark.parametrize("text", ["sam(rho=-1)", "ema(decay=1)", "swa(start=1)", "ema+swa", "swa+crt"])
def test_what_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(StrategyError):
        parse(text)
