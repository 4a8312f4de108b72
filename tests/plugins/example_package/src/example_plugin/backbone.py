"""Two convolutions: a backbone for trying things out."""

from __future__ import annotations

from backbones.registry import register_backbone


def register() -> None:
    """Make `two-layers` a backbone; torch is imported only when one is built."""
    register_backbone("two-layers", builder=_build, description="two convolutions, for trying things out")


def _build(image_size: int):
    from torch import nn

    layers = [nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()]
    return nn.Sequential(*layers)
