"""Only batch-norm layers and the classifier are trained."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Facts
from strategies.finetuning.lift import LightFineTuning
from strategies.registry import register

if TYPE_CHECKING:
    from torch import nn


@register
@dataclasses.dataclass(frozen=True)
class BatchNormOnly(LightFineTuning):
    """Train scale and shift of the batch-norm layers and the classifier; every other weight of the encoder stays.

    Frankle, Schwab, Morcos, "Training BatchNorm and Only BatchNorm: On the Expressive Power of Random Features in
    CNNs", ICLR 2021, arXiv:2003.00152, with the loss, classifier and classifier initialisation of LIFT
    (arXiv:2309.10019, see `lift.py`), whose official code has this as `bn_tuning` for its ResNets. Running statistics
    follow the batches.
    It is meant for pretrained networks; on random weights it is the first paper's experiment.

    Deviations: batches are normalised by their own statistics in training, where LIFT's code keeps the frozen network's
    mode; no test-time ensemble of crops.
    """

    name = "bn-only"
    summary = "train batch-norm layers and a cosine classifier with logit adjustment; freeze the rest"
    needs = frozenset({"pixels", "batch-norm"})

    def architecture(self, network: nn.Module, facts: Facts) -> None:
        """Freeze the encoder except for its batch-norm layers."""
        from backbones.strategy_layers.light import train_norms_only

        train_norms_only(network)  # type: ignore[arg-type]
