"""Registries of backbones and classifiers; parses specs such as `resnet50:mlp2`. Imports neither torch nor timm.

A spec is `<registered alias or timm name>[:classifier]`; the classifier is `linear` by default. Any timm name
works with any classifier without being registered. Plugins add to both registries, by hand or through the entry-point
group `benchmarks.backbones`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from backbones.errors import BackboneError, nearest

if TYPE_CHECKING:
    from torch import nn

GROUP = "benchmarks.backbones"


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A registered encoder: a timm model, or what `builder(image_size)` makes.

    A builder's module maps images [B, 3, H, W] to features [B, F] or to a feature map [B, F, h, w]; it draws its first
    weights from torch's CPU generator, which `build` has seeded. `version` is part of a job's key.
    """

    name: str
    description: str
    timm_name: str = ""
    builder: Callable[[int], nn.Module] | None = None
    version: str = ""


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A registered classifier.

    `layers(feature_size, num_classes)` makes the module features_BF -> logits_BC; `pool(map_size)`, where given, makes
    the module that replaces the encoder's own pooling and maps a feature map to features [B, map_size].
    """

    name: str
    description: str
    layers: Callable[[int, int], nn.Module]
    pool: Callable[[int], nn.Module] | None = None
    version: str = ""


@dataclasses.dataclass(frozen=True)
class Spec:
    """A parsed spec: `str(spec)` is its canonical text, without the classifier if that is `linear`."""

    backbone: Backbone
    classifier: Classifier

    def __str__(self) -> str:
        """Return the canonical text."""
        return self.backbone.name + ("" if self.classifier.name == "linear" else f":{self.classifier.name}")


_backbones: dict[str, Backbone] = {}
_classifiers: dict[str, Classifier] = {}


def register_backbone(
    name: str,
    *,
    description: str,
    timm_name: str = "",
    builder: Callable[[int], nn.Module] | None = None,
) -> None:
    """Make `name` a backbone, from a timm name or from `builder(image_size) -> encoder` (see `Backbone`).

    Raises `BackboneError` for a name that is taken or malformed, and unless exactly one of the two sources is given.
    """
    _check_name("backbone", name, _backbones)
    if bool(timm_name) == (builder is not None):
        raise BackboneError(f"backbone {name!r} needs either a timm_name or a builder; give exactly one of them")
    _backbones[name] = Backbone(name, description, timm_name, builder)


@contextlib.contextmanager
def versioned(version: str) -> Iterator[None]:
    """Set the version of everything registered within the block."""
    before = set(_backbones), set(_classifiers)
    try:
        yield
    finally:
        for name in _backbones.keys() - before[0]:
            _backbones[name] = dataclasses.replace(_backbones[name], version=version)
        for name in _classifiers.keys() - before[1]:
            _classifiers[name] = dataclasses.replace(_classifiers[name], version=version)


def identity(spec: str) -> str:
    """Return a spec with its parts' versions, if any, for job keys. Imports no timm."""
    name, _, classifier = spec.partition(":")
    parts = _backbones.get(name), _classifiers.get(classifier)
    return "@".join([spec, *(part.version for part in parts if part is not None and part.version)])


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Restore both registries on leaving the block: what is registered inside is forgotten."""
    before = dict(_backbones), dict(_classifiers)
    try:
        yield
    finally:
        for registry, entries in zip((_backbones, _classifiers), before, strict=True):
            registry.clear()  # type: ignore[attr-defined]
            registry.update(entries)  # type: ignore[attr-defined]


def register_classifier(
    name: str,
    layers: Callable[[int, int], nn.Module],
    *,
    description: str,
    pool: Callable[[int], nn.Module] | None = None,
) -> None:
    """Make `name` a classifier that any backbone can take after a colon (see `Classifier`).

    Raises `BackboneError` for a name that is taken or malformed.
    """
    _check_name("classifier", name, _classifiers)
    _classifiers[name] = Classifier(name, description, layers, pool)


def _check_name(kind: str, name: str, taken: Iterable[str]) -> None:
    """Refuse a name that a spec could not hold, or that is taken."""
    if not name or name != name.strip() or ":" in name:
        raise BackboneError(f"{name!r} cannot name a {kind}; expected a word without ':' and without spaces around it")
    if name in taken:
        raise BackboneError(f"the {kind} {name!r} is registered already; choose another name")


def list_backbones() -> list[tuple[str, str]]:
    """Return (name, one-line description) of every registered backbone, in the order they were registered."""
    return [(b.name, b.description) for b in _backbones.values()]


def list_classifiers() -> list[tuple[str, str]]:
    """Return (name, one-line description) of every classifier."""
    return [(c.name, c.description) for c in _classifiers.values()]


def parse(spec: str) -> Spec:
    """Read `name[:classifier]`.

    timm is imported only for names that are not registered. Raises `BackboneError` for an unknown backbone or
    classifier, with the nearest known names.
    """
    name, colon, classifier = (part.strip() for part in spec.strip().partition(":"))
    if colon and classifier not in _classifiers:
        raise BackboneError(
            f"unknown classifier {classifier!r} in {spec!r}{nearest(classifier, _classifiers)}; "
            f"expected one of {', '.join(_classifiers)}"
        )
    return Spec(_backbones.get(name) or _from_timm(name), _classifiers[classifier or "linear"])


def _from_timm(name: str) -> Backbone:
    """Return a backbone for an unregistered timm name, or raise `BackboneError`."""
    import timm

    if name and timm.is_model(name):
        return Backbone(name, "a timm model", timm_name=name)
    close = nearest(name, [*_backbones, *timm.list_models()])
    raise BackboneError(
        f"unknown backbone {name!r}{close}; expected one of those `list backbones` shows, or any timm model's name"
    )


def load_entry_points() -> list[str]:
    """Let every plugin of the entry-point group `benchmarks.backbones` register itself.

    An entry point names a module, which registers on import, or a function without arguments, which is called.
    Returns one sentence per plugin that failed.
    """
    problems = []
    for entry in entry_points(group=GROUP):
        try:
            loaded = entry.load()
            if callable(loaded):
                loaded()
        except (Exception, SystemExit) as error:  # a plugin may fail in any way; load the others
            problems.append(f"the backbone plugin {entry.name!r} was left out: {type(error).__name__}: {error}")
    return problems


def _linear(feature_size: int, num_classes: int) -> nn.Module:
    from torch import nn

    return nn.Linear(feature_size, num_classes)


def _mlp(hidden_layers: int) -> Callable[[int, int], nn.Module]:
    def layers(feature_size: int, num_classes: int) -> nn.Module:
        from backbones.classifiers import mlp

        return mlp(feature_size, num_classes, hidden_layers)

    return layers


def _cosine(feature_size: int, num_classes: int) -> nn.Module:
    from backbones.classifiers import CosineClassifier

    return CosineClassifier(feature_size, num_classes)


def _attention_pool(map_size: int) -> nn.Module:
    from backbones.classifiers import AttentionPool

    return AttentionPool(map_size)


register_classifier("linear", _linear, description="one linear layer on the pooled features")
register_classifier("mlp1", _mlp(1), description="one hidden layer with batch norm and dropout, then linear")
register_classifier("mlp2", _mlp(2), description="two hidden layers with batch norm and dropout, then linear")
register_classifier("mlp3", _mlp(3), description="three hidden layers with batch norm and dropout, then linear")
with versioned("2"):  # class weights start at length 1
    register_classifier("cosine", _cosine, description="scaled cosine between features and class weights")
register_classifier(
    "attention", _linear, description="attention pooling over the feature map, then linear", pool=_attention_pool
)

for _name, _timm_name, _description in [
    ("resnet50", "resnet50", "ResNet-50, the baseline (23.5 M parameters)"),
    ("inception_v3", "inception_v3", "Inception v3, the study's other backbone (21.8 M; 75 px and more)"),
    ("resnext50", "resnext50_32x4d", "ResNeXt-50 32x4d: grouped convolutions (23.0 M)"),
    ("convnext_tiny", "convnext_tiny", "ConvNeXt-T: a convolutional network modelled on Swin (27.8 M)"),
    ("efficientnet_b0", "efficientnet_b0", "EfficientNet-B0: depthwise, scaled by search (4.0 M)"),
    ("efficientnet_lite0", "tf_efficientnet_lite0", "EfficientNet-Lite0: the extra `weights` has its weights (3.4 M)"),
    ("efficientnet_lite1", "tf_efficientnet_lite1", "EfficientNet-Lite1: the extra `weights` has its weights (4.1 M)"),
    ("efficientnet_lite2", "tf_efficientnet_lite2", "EfficientNet-Lite2: the extra `weights` has its weights (4.8 M)"),
    ("mobilenetv3", "mobilenetv3_large_100", "MobileNetV3-Large: depthwise, for phones (4.2 M)"),
    ("vit_small", "vit_small_patch16_224", "ViT-S/16: plain transformer (21.7 M; multiples of 16 px)"),
    ("swin_tiny", "swin_tiny_patch4_window7_224", "Swin-T: transformer with shifted windows (27.5 M)"),
    ("regnety", "regnety_016", "RegNetY-1.6GF: regular design with squeeze-excitation (10.3 M)"),
    ("resnet10t", "resnet10t", "ResNet-10-T: small, for CPU suites (4.9 M)"),
    ("resnet18", "resnet18", "ResNet-18: small, for CPU suites (11.2 M)"),
    ("mobilenetv3_small", "mobilenetv3_small_100", "MobileNetV3-Small: smallest, for CPU suites (1.5 M)"),
]:
    register_backbone(_name, timm_name=_timm_name, description=_description)


def _resnet32(image_size: int) -> nn.Module:
    from backbones.cifar_resnet import CifarResNet

    return CifarResNet(blocks=5)


register_backbone("resnet32", builder=_resnet32, description="ResNet-32 of the CIFAR experiments (0.46 M; 32 px)")


def _vit_mini(image_size: int) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        image_size, patch_size=4, embed_dim=96, depth=4, num_heads=3, num_classes=0, class_token=False, global_pool=""
    )


register_backbone("vit_mini", builder=_vit_mini, description="ViT of 4 blocks, for small images on the CPU (0.5 M)")
