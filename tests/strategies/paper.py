"""What the papers' formulas give, in float64 NumPy and plain loops, and how a strategy's loss is compared with it.

Nothing here is taken from `strategies/`. B batch, C classes, F features.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from hypothesis import strategies as st

from benchmarks.training.loop import weighted_cross_entropy
from strategies.base import Batch, Facts, Outputs, Progress, Step
from strategies.combining.expression import parse

STEP = 1e-3  # of the five-point differences: their error is of order STEP^4


@dataclasses.dataclass(frozen=True)
class Case:
    """Counts [C], logits [B, C], targets [B, C], class weights [C], features [B, F]; seed of the loss's generator."""

    counts: tuple[int, ...]
    z_BC: np.ndarray
    y_BC: np.ndarray
    w_C: np.ndarray
    h_BF: np.ndarray
    seed: int = 0

    @property
    def n_C(self) -> np.ndarray:
        """Counts by which one may divide: the documented rule for classes without samples."""
        return np.array([max(n, 1) for n in self.counts], dtype=np.float64)

    @property
    def facts(self) -> Facts:
        return Facts(self.counts, tuple(f"class {c}" for c in range(len(self.counts))))


# logits that no softmax saturates, mixed targets, a long tail: where every digit of a formula shows
TYPICAL = Case(
    (500, 60, 7, 1, 0),
    np.array([[0.3, -1.2, 0.8, 1.9, -0.4], [1.1, 0.2, -0.7, -0.1, 0.6], [-2.0, 0.5, 0.4, 1.3, 0.1]]),
    np.array([[0.0, 0.0, 1.0, 0.0, 0.0], [0.7, 0.0, 0.0, 0.3, 0.0], [0.0, 0.4, 0.6, 0.0, 0.0]]),
    np.array([0.2, 0.7, 1.3, 2.8, 1.0]),
    np.array([[0.3, -1.0, 0.2], [2.0, 0.5, -0.1], [0.4, 0.6, 0.9]]),
)
EXTREME = Case(
    (5000, 300, 2, 1, 0),
    np.array([[1e4, -1e4, 0, 3, -7], [-1e4, 1e4, 2e4, 1, 9e3]]),
    np.eye(5)[[1, 3]],
    np.array([0.1, 1, 50, 400, 1.0]),
    np.array([[1e3, -2e3, 5], [0.5, 1.5, -0.5]]),
)
BALANCED = dataclasses.replace(EXTREME, counts=(9, 9, 9, 9, 9))

# (logits of one row, the row's number, all the rest) -> the row's loss for each label [C]
Reference = Callable[[np.ndarray, int, Case], Sequence[float] | np.ndarray]


def softmax(z_C: np.ndarray) -> np.ndarray:
    e_C = np.exp(z_C - z_C.max())
    return e_C / e_C.sum()


def log_softmax(z_C: np.ndarray) -> np.ndarray:
    return z_C - z_C.max() - math.log(np.exp(z_C - z_C.max()).sum())


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw long tails, balanced counts, classes with no or one sample; hard and mixed targets; mild to huge logits."""
    count = st.sampled_from([0, 1, 1, 2]) | st.integers(0, 3000)
    tail = st.lists(count, min_size=2, max_size=6).filter(any)
    counts = tuple(draw(tail | st.integers(1, 50).map(lambda n: [n] * 4) | st.just([7])))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, classes = draw(st.integers(1, 4)), len(counts)
    z_BC = random.normal(0, draw(st.sampled_from([0.1, 2.0, 20.0, 300.0])), (rows, classes))
    present = [c for c, n in enumerate(counts) if n]
    share_B1 = random.uniform(0.05, 0.95, (rows, 1)) if draw(st.booleans()) else 1.0
    eye = np.eye(classes)
    y_BC = share_B1 * eye[random.choice(present, rows)] + (1 - share_B1) * eye[random.choice(present, rows)]
    w_C = random.uniform(0.1, 9, classes) if draw(st.booleans()) else np.ones(classes)
    h_BF = random.choice([-1, 1], (rows, 3)) * random.uniform(0.1, 2, (rows, 3))
    return Case(counts, z_BC, y_BC, w_C, h_BF, draw(st.integers(0, 999)))


def expected(reference: Reference, case: Case, z_BC: np.ndarray) -> float:
    """Return sum_ic y_ic w_c l_ic / sum_ic y_ic w_c."""
    return weighted([reference(z_C, b, case) for b, z_C in enumerate(z_BC)], case)


def weighted(loss_BC: Sequence[Sequence[float] | np.ndarray], case: Case) -> float:
    """Return sum_ic y_ic w_c l_ic / sum_ic y_ic w_c for losses l [B, C]."""
    labels = [(b, c) for b, y_C in enumerate(case.y_BC) for c, y in enumerate(y_C) if y]
    total = math.fsum(case.y_BC[b, c] * case.w_C[c] * float(loss_BC[b][c]) for b, c in labels)
    return total / math.fsum(case.y_BC[b, c] * case.w_C[c] for b, c in labels)


def differences(value: Callable[[np.ndarray], float], at: np.ndarray, step: float = STEP) -> np.ndarray:
    """Return the gradient of `value` at `at` by five-point central differences."""
    gradient = np.empty_like(at)
    for index in np.ndindex(at.shape):
        terms = []
        for steps, factor in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
            moved = at.copy()
            moved[index] += steps * step
            terms.append(factor * value(moved))
        gradient[index] = math.fsum(terms) / (12 * step)
    return gradient


def computed(text: str, case: Case, dtype: torch.dtype = torch.float64) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the strategy's loss and its gradients in the logits [B, C] and the features [B, F], as the runner does."""
    strategy = parse(text)
    z_BC, h_BF = (torch.tensor(a, dtype=dtype, requires_grad=True) for a in (case.z_BC, case.h_BF))
    y_BC, w_C = (torch.tensor(a, dtype=dtype) for a in (case.y_BC, case.w_C))
    batch = Batch(torch.zeros(len(y_BC), 3, 1, 1), y_BC.argmax(1), y_BC)
    outputs = Outputs(z_BC, h_BF)
    step = Step(case.facts, Progress(3, 4), w_C, torch.Generator().manual_seed(case.seed))
    outputs = dataclasses.replace(outputs, logits_BC=strategy.train_logits(outputs, batch, step))
    loss = strategy.loss(outputs, batch, step)
    if loss is None:
        loss = weighted_cross_entropy(outputs.logits_BC, y_BC, w_C)
    assert loss.dtype == dtype and loss.shape == ()
    gradients = torch.autograd.grad(loss, [z_BC, h_BF], allow_unused=True)
    z_grad, h_grad = (torch.zeros_like(a) if g is None else g for g, a in zip(gradients, (z_BC, h_BF), strict=True))
    return loss.item(), z_grad.numpy(), h_grad.numpy()


def compare(text: str, reference: Reference, case: Case) -> None:
    """Assert that value and gradient in the logits are the reference's, to 1e-6 relative."""
    loss, gradient_BC, _ = computed(text, case)
    np.testing.assert_allclose(loss, expected(reference, case, case.z_BC), rtol=1e-6, atol=1e-12)
    coarse, by_differences = (
        differences(lambda z_BC: expected(reference, case, z_BC), case.z_BC, step) for step in (STEP, STEP / 2)
    )
    doubt = np.abs(coarse - by_differences).max()  # of the finer ones, 16 times what they miss of a smooth function
    # differences of a large loss carry its rounding: 1e-16 of it over the step
    noise = 2e-12 * max(1.0, abs(loss)) + doubt
    np.testing.assert_allclose(gradient_BC, by_differences, rtol=1e-6, atol=1e-6 * np.abs(by_differences).max() + noise)
