"""Networks without their encoder, which take stored features instead of images. B batch, C classes, F features."""

from __future__ import annotations

from torch import Tensor, nn

from backbones.errors import BackboneError
from backbones.network import Network, new_classifier
from backbones.registry import parse


class StoredFeatures(nn.Module):
    """Replaces the encoder: takes features as one-pixel images, [B, F, 1, 1], and returns them as [B, F].

    Hooks that mix, sample or weight images therefore work on features without changes.
    """

    def forward(self, features_BF11: Tensor) -> Tensor:
        """Return the features [B, F]."""
        return features_BF11.flatten(1)


def frozen_network(spec: str, feature_size: int, num_classes: int, seed: int) -> Network:
    """Return the network of `spec` without its encoder, with a new classifier; it depends on the arguments alone.

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
