"""`Network`: an encoder from timm, its pooling, and a classifier on top.

Shapes: B batch, C classes, F features, H W pixels. Initial weights depend on the seed alone. The encoder and the layers
on top draw from different seeds, so `resnet50` and `resnet50:mlp2` start from the same encoder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from backbones import weights as weights_
from backbones.classifiers import MeanPool
from backbones.convolutions.small_maps import ease_small_maps
from backbones.errors import BackboneError
from backbones.registry import Backbone, Spec, parse
from backbones.seeds import seed_for

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Network(nn.Module):
    """An encoder, pooling, and a classifier.

    `encoder`: images [B, 3, H, W] to features or a feature map. `pool`: the encoder's output to features [B, F]; an
    identity where the encoder pools itself. `classifier`: features to logits [B, C], or to a dict of tensors that
    holds them. `feature_size`: F. `spec`: the canonical spec. `pretrained`: whether the encoder started from pretrained
    weights. `mean`, `std`: the normalisation that the encoder's ImageNet weights expect, per channel, in [0, 1] units.

    Attention pooling is part of `pool`, and so of the representation: it is trained, stored and carried to the next
    stage with the encoder, so that a classifier can always be trained on stored features.
    """

    def __init__(
        self, encoder: nn.Module, pool: nn.Module, classifier: nn.Module, *, feature_size: int, spec: str
    ) -> None:
        """Combine parts whose shapes fit; use `build` to make them."""
        super().__init__()
        self.encoder, self.pool, self.classifier = encoder, pool, classifier
        self.feature_size = feature_size
        self.spec = spec
        self.pretrained = False
        config: Any = getattr(encoder, "pretrained_cfg", None) or {}
        self.mean: tuple[float, ...] = tuple(config.get("mean") or IMAGENET_MEAN)
        self.std: tuple[float, ...] = tuple(config.get("std") or IMAGENET_STD)

    def features(self, images_BCHW: Tensor, tokens_BT: Tensor | None = None) -> Tensor:
        """Return pooled features [B, F]; networks that read names (`text.py`) take them as `tokens_BT`."""
        return self.pool(self.encoder(images_BCHW))

    def forward(
        self, images_BCHW: Tensor, tokens_BT: Tensor | None = None
    ) -> tuple[Tensor | Mapping[str, Tensor], Tensor]:
        """Return the classifier's output (logits [B, C], or a dict of tensors) and the features [B, F]."""
        features_BF = self.features(images_BCHW, tokens_BT)
        return self.classifier(features_BF), features_BF


def build(
    spec: str,
    num_classes: int,
    *,
    image_size: int,
    seed: int,
    weights: weights_.Weights = "none",
) -> Network:
    """Build the network that `spec` names, on the CPU, for square images of `image_size` pixels.

    `weights`: "none" starts from the seed, "imagenet" from `weights.find_imagenet`, a path from a file with a timm
    model's weights (`weights.load_file`); the layers on top always start from the seed. torch's global generator is
    left as it was.
    Raises `BackboneError` for an unknown spec, an image size that the encoder cannot take, and weights that are not
    available or do not fit.
    """
    parsed = parse(spec)
    with seeded(seed, "encoder"):
        encoder = _encoder(parsed.backbone, image_size, weights)
        if parsed.classifier.pool is not None and parsed.backbone.timm_name:
            encoder = _unpooled(encoder)
    ease_small_maps(encoder)
    shape = _output_shape(encoder, parsed.backbone, image_size)
    size = _map_size(encoder, shape)
    with seeded(seed, "pool"):
        pool = _pool(parsed, shape, size)
    network = Network(encoder, pool, nn.Identity(), feature_size=size, spec=str(parsed))
    network.pretrained = weights != "none"
    new_classifier(network, num_classes, seed)
    return network


def new_classifier(network: Network, num_classes: int, seed: int) -> nn.Module:
    """Replace `network.classifier` with a new one of the network's spec, and return it.

    It depends on spec, F, classes and seed alone, and is made on the CPU. Encoder and pooling do not change.
    """
    with seeded(seed, "classifier"):
        network.classifier = parse(network.spec).classifier.layers(network.feature_size, num_classes)
    return network.classifier


@contextlib.contextmanager
def seeded(*parts: int | str) -> Iterator[None]:
    """Seed torch's CPU generator from `parts` inside the block, then restore its state; changes no other generator."""
    state = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(seed_for(*parts))
        with torch.device("cpu"):
            yield
    finally:
        torch.set_rng_state(state)


def _encoder(backbone: Backbone, image_size: int, weights: weights_.Weights) -> nn.Module:
    """Return the encoder without a classifier, its weights loaded where asked."""
    encoder = backbone.builder(image_size) if backbone.builder else weights_.create_timm(backbone, image_size)
    if weights != "none":
        path = weights_.find_imagenet(backbone).path if weights == "imagenet" else weights
        weights_.load_file(encoder, path, backbone.name)
    return encoder


class _FeatureMap(nn.Module):
    """A timm model that returns its feature map."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.pretrained_cfg = model.pretrained_cfg
        self.output_fmt = getattr(model, "output_fmt", "NCHW")

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the model's output before pooling, usually a map [B, F, h, w]."""
        return self.model.forward_features(images_BCHW)  # type: ignore[operator]


def _unpooled(encoder: nn.Module) -> nn.Module:
    """Return a timm model that outputs its feature map: the model itself where its pooling can be removed."""
    try:
        encoder.reset_classifier(0, "")  # type: ignore[operator]
    except Exception:  # some models refuse, each in its own way
        return _FeatureMap(encoder)
    return encoder


def _output_shape(encoder: nn.Module, backbone: Backbone, image_size: int) -> tuple[int, ...]:
    """Return the shape of the encoder's output for one image, or raise `BackboneError` saying which sizes work."""
    shape = _try(encoder, image_size)
    if shape is None:
        needs = _least_size(encoder, image_size)
        hint = f"it needs at least {needs} px" if needs else "choose another image size"
        raise BackboneError(f"{backbone.name} cannot take images of {image_size} px; {hint}")
    if len(shape) not in (2, 3, 4):
        raise BackboneError(f"{backbone.name} gives neither features nor one feature map; choose another backbone")
    return shape


def _try(encoder: nn.Module, image_size: int) -> tuple[int, ...] | None:
    """Return the output shape for one black image in evaluation mode; None if the encoder fails."""
    training = encoder.training
    try:
        with torch.no_grad():
            output = encoder.eval()(torch.zeros(1, 3, image_size, image_size))
        return tuple(getattr(output, "shape", ()))
    except (RuntimeError, AssertionError, ValueError):
        return None
    finally:
        encoder.train(training)


def _least_size(encoder: nn.Module, fails: int, most: int = 512) -> int | None:
    """Return the least size above `fails` that the encoder takes, by doubling and bisection; None past `most`."""
    works = 2 * fails
    while _try(encoder, works) is None:
        fails, works = works, 2 * works
        if works > most:
            return None
    while works - fails > 1:
        middle = (fails + works) // 2
        works, fails = (works, middle) if _try(encoder, middle) is None else (middle, fails)
    return works


def _map_size(encoder: nn.Module, shape: tuple[int, ...]) -> int:
    """Return F for the shape of an encoder's output."""
    if len(shape) == 4 and getattr(encoder, "output_fmt", "NCHW") != "NHWC":
        return shape[1]
    return shape[-1]


def _pool(parsed: Spec, shape: tuple[int, ...], size: int) -> nn.Module:
    """Return the classifier's own pooling, or the one that the encoder's output needs."""
    if parsed.classifier.pool is None:
        return nn.Identity() if len(shape) == 2 else MeanPool(size)
    if len(shape) == 2:
        raise BackboneError(
            f"{parsed} cannot be built: {parsed.backbone.name} gives pooled features and no feature map; "
            "choose another classifier"
        )
    return parsed.classifier.pool(size)
