"""Several experts in one network: each has its own last stage and classifier on top of shared earlier stages.

B batch, C classes, E experts, F features of one expert.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from backbones.classifiers import CosineClassifier
from backbones.errors import BackboneError
from backbones.frozen import StoredFeatures
from backbones.network import Network

LAST_STAGES = ("layer4", "s4", "layer3")  # timm's ResNet-like models, RegNets, ResNets of three stages
TRIED_PX = 64


class SideBySide(nn.Module):
    """Modules on the same input; their outputs are concatenated along axis 1."""

    def __init__(self, experts: Sequence[nn.Module]) -> None:
        """Take one module per expert."""
        super().__init__()
        self.experts = nn.ModuleList(experts)

    def forward(self, below: Tensor) -> Tensor:
        """Return [B, E * F, ...]."""
        return torch.cat([expert(below) for expert in self.experts], dim=1)


class Experts(nn.Module):
    """One classifier per expert on its part of the features; the logits are their mean."""

    def __init__(self, classifiers: Sequence[nn.Module]) -> None:
        """Take one classifier, F features to C logits, per expert."""
        super().__init__()
        self.experts = nn.ModuleList(classifiers)

    def forward(self, features_BF: Tensor) -> dict[str, Tensor]:
        """Return `logits_BC`, the mean, and `logits_BEC`, for features [B, E * F]."""
        parts = features_BF.chunk(len(self.experts), dim=1)
        logits_BEC = torch.stack([expert(part) for expert, part in zip(self.experts, parts, strict=True)], dim=1)
        return {"logits_BC": logits_BEC.mean(dim=1), "logits_BEC": logits_BEC}


def split(network: Network, experts: int) -> None:
    """Give each expert its own last stage, in place. The network's features become [B, E * F], concatenated by expert.

    A last stage followed by plain pooling is copied. Any other encoder is shared as a whole, and each expert gets one
    layer, linear - batch norm - ReLU, on the pooled features. Initial weights are drawn from torch's generator with
    the distribution of the original's; a pretrained stage is copied with its weights. Where stored features take the
    encoder's place, only classifiers are trained, and each expert is one on all features.
    """
    size = network.feature_size
    if isinstance(network.encoder, StoredFeatures):
        network.pool = SideBySide([network.pool] * experts)
        network.feature_size = experts * size
        return
    name = next((name for name in LAST_STAGES if isinstance(getattr(network.encoder, name, None), nn.Module)), None)
    stage = getattr(network.encoder, name) if name and isinstance(network.pool, nn.Identity) else None
    if name and stage is not None:
        copies = [copy.deepcopy(stage) for _ in range(experts)]
        for one in copies if not network.pretrained else ():
            _redraw(one)
        setattr(network.encoder, name, SideBySide(copies))
        if _gives(network.encoder, experts * size):
            network.feature_size = experts * size
            return
        setattr(network.encoder, name, stage)
    network.pool = nn.Sequential(network.pool, SideBySide([_layer(size) for _ in range(experts)]))
    network.feature_size = experts * size


def _redraw(module: nn.Module) -> None:
    """Permute the entries of every weight at random: new weights with the same distribution."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.flatten()[torch.randperm(parameter.numel())].view_as(parameter))


def _layer(size: int) -> nn.Module:
    return nn.Sequential(nn.Linear(size, size, bias=False), nn.BatchNorm1d(size), nn.ReLU())


def _gives(encoder: nn.Module, size: int) -> bool:
    """Whether an encoder gives `size` features for one black image; its mode and statistics stay."""
    training = encoder.training
    try:
        with torch.no_grad():
            output = encoder.eval()(torch.zeros(1, 3, TRIED_PX, TRIED_PX))
        return tuple(output.shape) == (1, size)
    except (RuntimeError, AssertionError, ValueError):
        return False
    finally:
        encoder.train(training)


def cosine_experts(experts: int, feature_size: int, num_classes: int, scale: float) -> Experts:
    """Return a cosine classifier with fixed `scale` for each expert's part of `feature_size` features."""
    if feature_size % experts:
        raise BackboneError(
            f"{feature_size} features cannot be divided among {experts} experts; split the network first"
        )
    size = feature_size // experts
    return Experts([CosineClassifier(size, num_classes, scale, learnt_scale=False) for _ in range(experts)])
