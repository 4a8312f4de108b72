"""Network + images and names -> `Outputs`, for training and prediction alike. B batch, C classes, F features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from backbones.network import Network
from backbones.probe import Choice, autocast
from strategies.base import Outputs, StrategyError


def forward(network: Network, images_BCHW: Tensor, choice: Choice, tokens_BT: Tensor | None = None) -> Outputs:
    """Return what the network gives for images, in the mode it is in and in the precision of `choice`.

    `tokens_BT`: the products' names, for a network that reads them.
    """
    with autocast(choice, images_BCHW.device):
        given, features_BF = network(images_BCHW) if tokens_BT is None else network(images_BCHW, tokens_BT)
    return _outputs(given, features_BF)


def classify(network: Network, features_BF: Tensor, choice: Choice) -> Outputs:
    """Return what the network's classifier gives for features that were stored."""
    with autocast(choice, features_BF.device):
        given = network.classifier(features_BF)
    return _outputs(given, features_BF)


def seed_network(seed: int, device: torch.device) -> None:
    """Seed torch's generators that a network on `device` draws from: dropout and its kin take no generator."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)  # manual_seed would note for each kind of GPU where it was called
    else:
        torch.manual_seed(seed)


def _outputs(given: Tensor | Mapping[str, Tensor], features_BF: Tensor) -> Outputs:
    """Part the logits, `logits_BC`, from what else a classifier gives; floats become float32."""
    if isinstance(given, Tensor):
        return Outputs(given.float(), features_BF)
    if "logits_BC" not in given:
        raise StrategyError(f"the classifier gives {', '.join(given)} and no logits_BC; name the logits so.")
    whole = {name: t.float() if t.is_floating_point() else t for name, t in given.items()}
    return Outputs(whole.pop("logits_BC"), features_BF, whole)
