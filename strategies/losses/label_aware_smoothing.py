"""Label-aware smoothing: targets of frequent classes are smoothed more."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from strategies.base import Batch, Facts, Outputs, Step, Strategy, StrategyError
from strategies.common import weighted_mean
from strategies.registry import register
from strategies.space import Choice, Real, Space

if TYPE_CHECKING:
    from torch import Tensor

Shape = Literal["concave", "linear", "convex"]


def check_order(name: str, tail: float, head: float) -> None:
    """Raise `StrategyError` if the tail's smoothing is above the head's."""
    if tail > head:
        raise StrategyError(f"{name}: tail must be at most head, got tail {tail} and head {head}.")


@register
@dataclasses.dataclass(frozen=True)
class LabelAwareSmoothing(Strategy):
    """l = -sum_c q_c log p_c, q_y = 1 - e_y and q_c = e_y / (C - 1) elsewhere, for the label y.

    Zhong, Cui, Liu, Jia, "Improving Calibration for Long-Tailed Recognition", CVPR 2021, arXiv:2104.00466, section 3.2.
    With r = (n_y - min n) / (max n - min n): concave e_y = tail + (head - tail) sin(pi r / 2), linear
    tail + (head - tail) r, convex head + (head - tail) sin(3 pi / 2 + pi r / 2). `head` and `tail` are in [0, 1),
    tail at most head; 0.4, 0.1 are the official configuration for CIFAR-100-LT at ratio 100, concave its
    default (dvlab-research/MiSLAS). The paper uses it to retrain the classifier: that is `mislas`.

    If all counts are equal r = 0, because no class is more frequent than the rarest. With a single class there is no
    other class to smooth to, and the loss is 0.

    The paper's formula is followed. The official code (dvlab-research/MiSLAS) spreads e_y over all C classes, as usual
    label smoothing does; its e_y corresponds to e_y (C - 1) / C here.
    Deviations: min and max are over classes with samples. Over a batch and for mixed targets the
    weighted mean over labels (`common.weighted_mean`).
    """

    name = "label-aware-smoothing"
    summary = "label smoothing that grows with class frequency"
    version = "2"
    ranges = {"head": "[0, 1)", "tail": "[0, 1)"}

    head: float = 0.4
    tail: float = 0.1
    shape: Shape = "concave"

    def space(self) -> Space:
        """Around the official configurations of the four data sets; tail stays below head."""
        return {"head": Real(0.2, 0.6), "tail": Real(0.0, 0.2), "shape": Choice(("concave", "linear", "convex"))}

    def __post_init__(self) -> None:
        """Refuse parameters out of range, and a tail above the head."""
        super().__post_init__()
        check_order(self.name, self.tail, self.head)

    def smoothing_C(self, facts: Facts) -> np.ndarray:
        """Return e_c, float64 [C], between `tail` and `head`."""
        counts_C = facts.counts
        least, most = counts_C[counts_C > 0].min(), counts_C.max()
        rank_C = np.clip((counts_C - least) / max(most - least, 1.0), 0.0, 1.0)
        if self.shape == "linear":
            return self.tail + (self.head - self.tail) * rank_C
        if self.shape == "convex":
            return self.head + (self.head - self.tail) * np.sin(1.5 * math.pi + math.pi / 2 * rank_C)
        return self.tail + (self.head - self.tail) * np.sin(math.pi / 2 * rank_C)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        log_p_BC = outputs.logits_BC.log_softmax(1)
        smoothing_C = step.constant(self.smoothing_C(step.facts), log_p_BC)
        others_BC = log_p_BC.sum(1, keepdim=True) - log_p_BC
        of_label_BC = (1 - smoothing_C) * log_p_BC + smoothing_C / max(step.facts.num_classes - 1, 1) * others_BC
        return weighted_mean(-of_label_BC, batch.y_BC, step.weights_C)
