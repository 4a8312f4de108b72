"""Tau-normalisation: after plain training, make the norms of the class weights more equal."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Facts, Phase, Strategy, StrategyError, Trained
from strategies.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn

GRID = tuple(step / 10 for step in range(11))  # the paper's range; the official script scans 0 to 2


@register
@dataclasses.dataclass(frozen=True)
class TauNormalisation(Strategy):
    """Divide each class's weights by their norm to the power of tau: w'_c = w_c / |w_c|^tau; the bias is dropped.

    Kang, Xie, Rohrbach, Yan, Gordo, Feng, Kalantidis, "Decoupling Representation and Classifier for Long-Tailed
    Recognition", ICLR 2020, arXiv:1910.09217, section 4, equation 3. Frequent classes get weights of larger norm; tau =
    0 keeps them, tau = 1 makes all norms equal. Nothing is trained: the cell shares all jobs of plain training.

    Default: `tau=none`, chosen on validation from 0, 0.1, ... 1, the paper's range; its official script (`tau_norm.py`)
    prints 0 to 2 in the same steps. The choice is by the mean of the classes' top-1 (the paper's validation sets are
    balanced, ours are not), the smallest tau if several tie.
    A given `tau` is at least 0 and needs no validation part.
    Deviations: in a classifier of several layers only the last, which gives the logits, is normalised. Classes without
    a validation row do not influence the choice. A class with weights all zero keeps them.
    """

    name = "tau-norm"
    summary = "after training, divide each class's weights by a power of their norm"
    seats = frozenset({"classifier", "prior"})
    ranges = {"tau": "[0, inf)"}

    tau: float | None = None

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """Validation, unless tau is given."""
        return frozenset({"validation"} if self.tau is None else ())

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Plain to the end, then an empty segment that changes only the classifier."""
        return (Phase(0, epochs, active=False), Phase(epochs, epochs, "classifier"))

    def after_training(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Normalise the last linear layer of the classifier in place.

        Raises `StrategyError` if the classifier has none (a cosine classifier is already normalised).
        """
        linear = last_linear(self.name, network.classifier)  # type: ignore[arg-type]
        weight_CF, bias_C = linear.weight.data, linear.bias
        trained_CF = weight_CF.clone()
        if bias_C is not None:
            bias_C.data.zero_()

        def mean_accuracy(tau: float) -> float:
            """Validation's mean of the classes' top-1 with this tau."""
            weight_CF.copy_(normalised(trained_CF, tau))
            return float(np.nanmean(trained.accuracy_C()))

        tau = max(GRID, key=mean_accuracy) if self.tau is None else self.tau
        weight_CF.copy_(normalised(trained_CF, tau))


def last_linear(name: str, classifier: nn.Module) -> nn.Linear:
    """Return the layer that gives a classifier's logits; `StrategyError` with the strategy's name if it has none."""
    import torch

    linear = [module for module in classifier.modules() if isinstance(module, torch.nn.Linear)]
    if not linear:
        raise StrategyError(f"{name}: the classifier has no linear layer to normalise; choose another classifier.")
    return linear[-1]


def normalised(weight_CF: Tensor, tau: float) -> Tensor:
    """Return w_c / |w_c|^tau, float64 [C, F]; rows of zeros stay."""
    weight_CF = weight_CF.double()
    length_C1 = weight_CF.norm(dim=1, keepdim=True)
    return weight_CF / length_C1.where(length_C1 > 0, 1.0) ** tau
