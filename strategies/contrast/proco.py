"""Probabilistic contrast: each class is a von Mises-Fisher distribution of projected features."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from strategies.base import Batch, Facts, Outputs, Step, Trained
from strategies.common import log_prior_C, weighted_mean
from strategies.contrast.adjusted import AdjustedContrast
from strategies.contrast.von_mises_fisher import concentration, log_bessel
from strategies.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
@dataclasses.dataclass(frozen=True)
class ProbabilisticContrast(AdjustedContrast):
    """L = logit adjustment of the first view + weight * the mean over two more views of -log p_y, p below.

    Du, Wang, Song, Huang, "Probabilistic Contrastive Learning for Long-Tailed Visual Recognition", TPAMI 2024,
    arXiv:2403.06726: p_c ~ pi_c E e^(z x / T) for the projected features z of length 1 and x ~ vMF(m_c / |m_c|, k_c),
    which is C_P(k_c) / C_P(|k_c m_c / |m_c| + z / T|) with the distribution's normaliser C_P; m_c is the mean of the
    class's projected features over this epoch and the last, k_c = R (P - R^2) / (1 - R^2), R = |m_c|. The projection is
    an MLP, and its P is 128.

    Defaults `temperature=0.1` (T) and `weight=1` from the official code for CIFAR, as are P and the 512 hidden units.
    `weight` is at least 0, `temperature` positive.
    Deviations: the means cover both views before either's loss; k_c is the paper's, where the code has R P / (1 - R^2);
    the Bessel function is an asymptotic series, where the code has a recurrence; all views are the recipe's
    augmentation, where the code has its own for each branch; class weights and empty classes as in `logit-adjust`.
    """

    name = "proco"
    summary = "logit adjustment, and a contrast of views with a distribution of each class"

    weight: float = 1.0
    temperature: float = 0.1

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return the classifier with a projection and the classes' statistics."""
        from backbones.strategy_layers.contrast import WithStatistics

        return WithStatistics(classifier, in_features, facts.num_classes)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        head: Any = step.network and step.network.classifier
        mean_CP = head.means_CP(*_projected(outputs, batch))
        prior_C = step.constant(log_prior_C(step.facts), outputs.logits_BC)
        loss = weighted_mean(-outputs.logits_BC.log_softmax(1), batch.y_BC, step.weights_C)
        for view, given in zip(outputs.views, batch.views, strict=True):
            contrast_BC = log_expectation(view.extra["projected_BP"], mean_CP, self.temperature)
            log_p_BC = (contrast_BC + prior_C).log_softmax(1)
            contrast = weighted_mean(-log_p_BC, given.y_BC, step.weights_C)
            loss = loss + self.weight * contrast / len(outputs.views)
        return loss

    def after_step(self, network: nn.Module, outputs: Outputs, batch: Batch, step: Step) -> None:
        """Count the step's projected features."""
        head: Any = network.classifier
        head.add(*_projected(outputs, batch))

    def after_epoch(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Discard the previous epoch's statistics."""
        head: Any = network.classifier
        head.end_epoch()


def _projected(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the projected features of all views and their labels, [V * B, P] and [V * B]."""
    import torch

    projected = torch.cat([view.extra["projected_BP"] for view in outputs.views])
    return projected.detach(), batch.labels_B.repeat(len(outputs.views))


def log_expectation(z_BP: Tensor, mean_CP: Tensor, temperature: float) -> Tensor:
    """Return log E e^(z x / T) for each class, [B, C], x ~ vMF with the mean vectors [C, P]; computed in float64."""
    import torch

    size, z_BP, mean_CP = z_BP.shape[1], z_BP / temperature, mean_CP.double()
    kappa_C = concentration(mean_CP.norm(dim=1), size)
    turned_BC = z_BP.double() @ torch.nn.functional.normalize(mean_CP).T
    squared_BC = kappa_C.square() + 2 * kappa_C * turned_BC + z_BP.double().square().sum(1, keepdim=True)
    together_BC = squared_BC.clamp_min(1e-12).sqrt()
    return (log_bessel(together_BC, size) - log_bessel(kappa_C, size)).to(z_BP.dtype)
