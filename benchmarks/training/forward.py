"""Network, images and names -> `Outputs`, for training and prediction. B batch, C classes, F features."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from backbones.network import Network
from backbones.probe import Choice, autocast
from strategies.base import Batch, Outputs, StrategyError


def forward(
    network: Callable[..., tuple[Tensor | Mapping[str, Tensor], Tensor]],
    images_BCHW: Tensor,
    choice: Choice,
    tokens_BT: Tensor | None = None,
) -> Outputs:
    """Return the network's outputs for images, in its current mode and in the precision of `choice`.

    `tokens_BT`: the products' names, for a network that reads them.
    """
    with autocast(choice, images_BCHW.device):
        given, features_BF = network(images_BCHW) if tokens_BT is None else network(images_BCHW, tokens_BT)
    return _outputs(given, features_BF)


def pooled(network: Network, batch: Batch, choice: Choice) -> Tensor:
    """Return the features [B, F] of a batch: the stored ones, or the network's for its images."""
    if batch.features_BF is not None:
        return batch.features_BF
    with autocast(choice, batch.images_BCHW.device):
        return network.features(batch.images_BCHW, batch.tokens_BT)


def classify(network: Network, features_BF: Tensor, choice: Choice) -> Outputs:
    """Return the outputs of the network's classifier for stored features."""
    with autocast(choice, features_BF.device):
        given = network.classifier(features_BF)
    return _outputs(given, features_BF)


def seed_network(seed: int, device: torch.device) -> None:
    """Seed the global torch generators that layers such as dropout draw from on `device`."""
    torch.default_generator.manual_seed(seed)  # torch.manual_seed costs up to 40 % of a step on stored features
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type != "cpu":
        torch.manual_seed(seed)


def _outputs(given: Tensor | Mapping[str, Tensor], features_BF: Tensor) -> Outputs:
    """Separate the logits, `logits_BC`, from a classifier's other outputs; floats become float32."""
    if isinstance(given, Tensor):
        return Outputs(given.float(), features_BF)
    if "logits_BC" not in given:
        raise StrategyError(f"the classifier gives {', '.join(given)} and no logits_BC; name the logits so.")
    whole = {name: t.float() if t.is_floating_point() else t for name, t in given.items()}
    return Outputs(whole.pop("logits_BC"), features_BF, whole)
