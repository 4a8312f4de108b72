"""A network whose encoder ran once: it takes stored features in the place of images. B batch, C classes, F features."""

from __future__ import annotations

from torch import Tensor, nn

from backbones.errors import BackboneError
from backbones.network import Network, new_classifier
from backbones.registry import parse


class StoredFeatures(nn.Module):
    """The encoder's place: features come as images of one pixel, [B, F, 1, 1], and go on as [B, F].

    So whatever mixes, samples or weighs images does the same to features, and no hook needs to know.
    """

    def forward(self, features_BF11: Tensor) -> Tensor:
        """Return the features [B, F]."""
        return features_BF11.flatten(1)


def frozen_network(spec: str, feature_size: int, num_classes: int, seed: int) -> Network:
    """Return the network of `spec` without its encoder, with a new classifier; a function of the arguments.

    Raises `BackboneError` for a classifier that pools feature maps itself, because maps are not stored.
    """
    parsed = parse(spec)
    if parsed.classifier.pool is not None:
        raise BackboneError(
            f"{spec} cannot be trained on stored features: its pooling needs feature maps; choose another classifier"
        )
    network = Network(StoredFeatures(), nn.Identity(), nn.Identity(), feature_size=feature_size, spec=str(parsed))
    network.pretrained = True
    new_classifier(network, num_classes, seed)
    return network
