"""Robust losses over classes against float64 NumPy, over several batches whose state the network carries."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from strategies.base import Batch, Facts, Outputs, Progress, Step, Trained
from strategies.combining.expression import parse
from tests.strategies.paper import log_softmax

COUNTS = (60, 25, 10, 5, 0)
FACTS = Facts(COUNTS, tuple("abcde"))
NOTHING = Trained(tuple, lambda: (np.zeros((0, 3), np.float32), np.zeros(0, np.int64)))
# of a batch's rows: hard labels, and once a mixed target; not every batch has every class
LABELS = ([0, 0, 1], [2, 3, 0], [0, 0, 0], [1, 3, 2], [3, 3, 1])


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return logits [B, C] and targets [B, C] of each batch."""
    draws = np.random.default_rng(3)
    made = [(draws.normal(0, 2, (len(labels), len(COUNTS))), np.eye(len(COUNTS))[labels]) for labels in LABELS]
    made[1][1][0] = 0.7 * np.eye(len(COUNTS))[2] + 0.3 * np.eye(len(COUNTS))[1]
    return made


def losses(z_BC: np.ndarray, y_BC: np.ndarray) -> list[float]:
    """Return each class's mean loss, NaN for one that the batch does not have."""
    loss_BC = -np.array([log_softmax(z_C) for z_C in z_BC])
    share_C = y_BC.sum(0)
    return [
        float((y_BC[:, c] * loss_BC[:, c]).sum() / n) if (n := share_C[c]) else math.nan for c in range(len(COUNTS))
    ]


def dro(l_C: list[float], memory: dict[str, np.ndarray], step_size: float) -> np.ndarray:
    """Return q after a batch with these losses."""
    present_C = np.array(COUNTS) > 0
    q_C = memory.get("q", present_C / present_C.sum())
    q_C = q_C * np.exp(step_size * np.nan_to_num(l_C))
    memory["q"] = q_C / q_C.sum()
    return memory["q"]


def cvar(l_C: list[float], memory: dict[str, np.ndarray], alpha: float, rate: float) -> np.ndarray:
    """Return the q that is largest in sum q m under its bounds, filled class by class."""
    m_C = memory.setdefault("m", np.full(len(COUNTS), -1.0))
    for c, loss in enumerate(l_C):
        if not math.isnan(loss):
            m_C[c] = loss if m_C[c] < 0 else (1 - rate) * m_C[c] + rate * loss
    q_C, left = np.zeros(len(COUNTS)), 1.0
    for c in sorted(range(len(COUNTS)), key=lambda c: -m_C[c]):
        q_C[c] = min(left, COUNTS[c] / sum(COUNTS) / alpha)
        left -= q_C[c]
    return q_C


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("group-dro", lambda l_C, memory: dro(l_C, memory, 0.01)),
        ("group-dro(step_size=0.9)", lambda l_C, memory: dro(l_C, memory, 0.9)),
        ("cvar-dro", lambda l_C, memory: cvar(l_C, memory, 0.2, 0.1)),
        ("cvar-dro(alpha=0.6,rate=0.5)", lambda l_C, memory: cvar(l_C, memory, 0.6, 0.5)),
        ("cvar-dro(alpha=1)", lambda l_C, memory: cvar(l_C, memory, 1.0, 0.1)),
    ],
)
@pytest.mark.parametrize("weights", [(1.0,) * 5, (0.2, 0.7, 1.3, 2.8, 1.0)])
def test_the_loss_follows_the_running_classes(text: str, reference: Callable, weights: tuple[float, ...]) -> None:
    strategy, network, memory = parse(text), torch.nn.Module(), {}
    strategy.attach(network, FACTS)
    network.double()
    step = Step(FACTS, Progress(0, 1), torch.tensor(weights).double(), torch.Generator(), network=network)
    for z_BC, y_BC in batches():
        l_C = losses(z_BC, y_BC)
        weight_C = np.array(weights) * reference(l_C, memory)
        expected = (weight_C * np.nan_to_num(l_C)).sum() / weight_C.sum()
        batch = Batch(torch.zeros(3, 3, 1, 1), torch.tensor(y_BC.argmax(1)), torch.from_numpy(y_BC))
        outputs = Outputs(torch.from_numpy(z_BC), torch.zeros(3, 0))
        for _ in range(2):  # asking for the loss changes no state
            assert strategy.loss(outputs, batch, step).item() == pytest.approx(expected, rel=1e-6)
        strategy.after_step(network, outputs, batch, step)
    assert network.state_dict(), "its state is saved with the network"
    strategy.after_training(network, FACTS, NOTHING)
    assert not network.state_dict()


def test_all_of_the_data_by_frequency_at_alpha_1() -> None:
    strategy, network = parse("cvar-dro(alpha=1)"), torch.nn.Module()
    strategy.attach(network, FACTS)
    step = Step(FACTS, Progress(0, 1), torch.ones(5), torch.Generator(), network=network)
    q_C = strategy.q_C(torch.tensor([0.1, 3.0, 2.0, 0.5, -1.0]), step)
    np.testing.assert_allclose(q_C.numpy(), np.array(COUNTS) / 100, rtol=1e-6)
