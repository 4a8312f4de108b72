"""Nearest class mean, after training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from strategies.base import Facts, Phase, Strategy, Trained
from strategies.registry import register
from strategies.space import Choice, Space

if TYPE_CHECKING:
    from torch import nn

Metric = Literal["cosine", "euclid"]


@register
@dataclasses.dataclass(frozen=True)
class NearestClassMean(Strategy):
    """Score class c by cos(f, m_c), or by -|f / |f| - m_c|^2, m_c a mean over the features of its training rows.

    Kang, Xie, Rohrbach, Yan, Gordo, Feng, Kalantidis, "Decoupling Representation and Classifier for Long-Tailed
    Recognition", ICLR 2020, arXiv:1910.09217, section 4 (NCM): "either cosine similarity or the Euclidean distance
    computed on L2 normalized mean features". For `cosine` m_c is the mean of f, for `euclid` the mean of f / |f|.
    Features are taken in evaluation mode, without augmentation. The cell shares all jobs of plain training.

    Default `metric=cosine`, which the paper says alleviates the imbalance by its inherent normalisation.
    The paper is followed where its official code (`models/KNNClassifier.py`) differs: there "cos" is the dot product
    f m_c / F without normalisation, and the default is the squared distance of centred, then normalised features.
    `euclid` is its `l2n` kind. Deviation: a class without samples scores below all others.
    """

    name = "nearest-class-mean"
    summary = "after training, classify by the nearest mean feature of a class"
    seats = frozenset({"prior"})

    metric: Metric = "cosine"

    def space(self) -> Space:
        """Both metrics."""
        return {"metric": Choice(("cosine", "euclid"))}

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Plain to the end, then an empty segment that changes only the classifier."""
        return (Phase(0, epochs, active=False), Phase(epochs, epochs, "classifier"))

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return a classifier with buffers for the means."""
        from backbones.classifiers import NearestMean

        return NearestMean(in_features, facts.num_classes, self.metric)

    def after_training(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Compute the means."""
        network.classifier.fill(*trained.features())  # type: ignore[operator, union-attr]
