"""Outputs of several views for the tests of contrast, all in float64. B batch, C classes, F features, P projected."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from strategies.base import Batch, Facts, Outputs, Progress, Step, Strategy

COUNTS, LABELS, CLASSES, FEATURES = (60, 9, 2, 0), [0, 1, 0, 2, 0], 4, 6
W_C = np.array([0.3, 0.8, 2.0, 0.9])


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """A strategy's classifier, a batch of images that no network reads, and what was drawn for each view."""

    strategy: Strategy
    network: torch.nn.Module
    batch: Batch
    step: Step
    features_VBF: torch.Tensor

    def outputs(self) -> Outputs:
        """Return what the classifier gives for the features of each view."""
        made = [self.network.classifier(features_BF) for features_BF in self.features_VBF]  # type: ignore[operator]
        first, *others = (Outputs(m.pop("logits_BC"), f, m) for m, f in zip(made, self.features_VBF, strict=True))
        return dataclasses.replace(first, views=tuple(others))

    def loss(self, outputs: Outputs) -> torch.Tensor:
        """Return the loss, as the training loop asks for it."""
        logits_BC = self.strategy.train_logits(outputs, self.batch, self.step)
        loss = self.strategy.loss(dataclasses.replace(outputs, logits_BC=logits_BC), self.batch, self.step)
        assert loss is not None and loss.shape == ()
        return loss


def given(strategy: Strategy, *, epoch: int = 3, mixed: bool = False) -> Given:
    """Return five samples of three of four classes, drawn as often as the strategy asks for, in epoch `epoch` of 4.

    `mixed`: the targets of the first view are mixed ones.
    """
    facts = Facts(COUNTS, tuple("abcd"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = torch.nn.Module()
        linear = torch.nn.Linear(FEATURES, CLASSES)
        network.classifier = strategy.classifier(linear, FEATURES, facts)
        network.double()
        features_VBF = torch.randn(strategy.views(), len(LABELS), FEATURES, dtype=torch.float64)
    labels_B = torch.tensor(LABELS)
    y_BC = torch.nn.functional.one_hot(labels_B, CLASSES).double()
    views = tuple(Batch(torch.zeros(5, 3, 1, 1), labels_B, y_BC) for _ in range(strategy.views() - 1))
    first_BC = 0.7 * y_BC + 0.3 * y_BC.roll(1, 0) if mixed else y_BC
    batch = Batch(torch.zeros(5, 3, 1, 1), labels_B, first_BC, views=views)
    step = Step(facts, Progress(epoch, 4), torch.from_numpy(W_C), torch.Generator(), network=network)
    return Given(strategy, network, batch, step, features_VBF)


def adjusted(case: Given, logits_BC: torch.Tensor) -> float:
    """Return the weighted mean of the cross entropy of z + log pi, an empty class counted as one sample."""
    n_C = np.array([max(n, 1) for n in COUNTS], dtype=np.float64)
    return weighted(log_softmax(logits_BC.detach().numpy() + np.log(n_C / n_C.sum())), case.batch.y_BC.numpy(), W_C)


def weighted(log_p_BC: np.ndarray, y_BC: np.ndarray, w_C: np.ndarray) -> float:
    """Return -sum_ic y w log p / sum_ic y w."""
    return float(-(y_BC * w_C * log_p_BC).sum() / (y_BC * w_C).sum())


def log_softmax(z_BC: np.ndarray) -> np.ndarray:
    return z_BC - np.log(np.exp(z_BC).sum(1, keepdims=True))
