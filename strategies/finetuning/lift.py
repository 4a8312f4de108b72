"""Base class of LIFT-style fine-tuning: logit adjustment, and a cosine classifier initialised with class means."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from strategies.base import Batch, Facts, Outputs, Step, Strategy, Trained
from strategies.common import log_prior_C

if TYPE_CHECKING:
    from torch import Tensor, nn

SCALE = 25.0


@dataclasses.dataclass(frozen=True)
class LightFineTuning(Strategy):
    """Train z + log pi, z = 25 cos(f, w_c), w_c the mean of the class's features before the training.

    Shi, Wei, Zhou, Shao, Han, Li, "Long-Tail Learning with Foundation Model: Heavy Fine-Tuning Hurts", ICML 2024,
    arXiv:2309.10019 (LIFT). `scale=25` is the official code's (`utils/config.py`). Subclasses choose the trained
    weights of the encoder in `architecture`.
    """

    seats = frozenset({"prior"})

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return a cosine classifier of fixed scale."""
        from backbones.classifiers import CosineClassifier

        return CosineClassifier(in_features, facts.num_classes, SCALE, learnt_scale=False)

    def before_training(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Set the classifier's weights to the normalised class means; a class without samples keeps its random one."""
        classifier: Any = network.classifier
        classifier.start_at_means(*trained.features())

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return z + log pi, [B, C]."""
        return outputs.logits_BC + step.constant(log_prior_C(step.facts), outputs.logits_BC)
