"""A network and a data set so small that a cell trains in a fraction of a second, for the contract's trainings.

B batch, N rows, S pixels a side.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from backbones import registry
from backbones.network import Network, build
from backbones.probe import Choice
from backbones.strategy_layers.light import parts_of
from benchmarks.data.base import Loaded
from benchmarks.planning.plan import Plan, Setting, make_plan
from benchmarks.planning.stages import make_stages
from benchmarks.planning.store import Store
from benchmarks.running.context import RunContext
from benchmarks.suites.suite import Suite, validate
from strategies.base import Strategy
from strategies.combining.expression import parse

BACKBONE, TRANSFORMER = "contract", "contract-transformer"
CHOICE = Choice("contiguous", "float32")
CPU = torch.device("cpu")
SIDE_PX = 8
TRAIN_N, TEST_ROWS = (14, 12, 11, 10, 4, 1), 2  # three head classes, three tail classes, each with validation rows


class Encoder(nn.Module):
    """One convolution with batch normalisation, then the mean over the image: [B, 3, H, W] to [B, 8].

    `transformer`: with one block of attention over the map's positions, for strategies that need one.
    """

    def __init__(self, transformer: bool = False) -> None:
        """Draw first weights from torch's generator."""
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.block: nn.Module = nn.Identity()
        if transformer:
            from timm.models.vision_transformer import Block

            self.block = Block(8, num_heads=2, mlp_ratio=1.0)

    def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        """Return features [B, 8]."""
        map_BFHW = self.norm(self.convolution(images_BCHW)).relu()
        return self.block(map_BFHW.flatten(2).transpose(1, 2)).mean(1)


@contextlib.contextmanager
def backbone() -> Iterator[str]:
    """Register the tiny networks inside the block, and yield the name of the one without a transformer."""
    with registry.isolated():
        for name in (BACKBONE, TRANSFORMER):
            builder = functools.partial(_encoder, transformer=name == TRANSFORMER)
            registry.register_backbone(name, builder=builder, description="the contract's own")
        yield BACKBONE


def _encoder(image_size: int, transformer: bool) -> Encoder:
    return Encoder(transformer)


def backbone_for(strategies: Sequence[Strategy]) -> str:
    """Return the name of the tiny network that has what the strategies need."""
    return TRANSFORMER if any("transformer" in strategy.needs for strategy in strategies) else BACKBONE


def network(classes: int, name: str = BACKBONE) -> Network:
    """Return a new tiny network with a linear classifier, always with the same first weights."""
    return copy.deepcopy(_built(classes, name))


@functools.lru_cache  # copying takes half the time of building
def _built(classes: int, name: str) -> Network:
    with backbone():
        return build(name, classes, image_size=SIDE_PX, seed=0)


def suite(epochs: int = 3) -> Suite:
    """Return a suite of two stages of three classes, two or more steps an epoch."""
    recipe = {
        "image_size": SIDE_PX,
        "batch_size": 8,
        "precision": "float32",
        "epochs": {"head": epochs, "tail": epochs, "all": epochs},
    }
    content = {
        "title": "The contract's own",
        "dataset": "contract",
        "head_classes": 3,
        "validation": 0.2,
        "backbones": [BACKBONE],
        "strategies": ["none"],
        "recipe": recipe,
    }
    return validate(content, "contract", "the contract")


def loaded() -> Loaded:
    """Return 52 training rows with a long tail and two test rows a class: noise around a colour of each class."""
    draws = np.random.Generator(np.random.Philox(key=7))
    train = [(label, True) for label, count in enumerate(TRAIN_N) for _ in range(count)]
    rows = [*train, *((label, False) for label in range(len(TRAIN_N)) for _ in range(TEST_ROWS))]
    labels_N = np.array([label for label, _ in rows], dtype=np.int64)
    colour_C3 = draws.integers(40, 216, (len(TRAIN_N), 3))
    noise_NHWC = draws.integers(-40, 41, (len(rows), SIDE_PX, SIDE_PX, 3))
    return Loaded(
        name="contract",
        ids=tuple(str(row) for row in range(len(rows))),
        texts=tuple(f"thing {label} in {'red' if row % 2 else 'blue'}" for row, (label, _) in enumerate(rows)),
        origin="drawn by the contract",
        notes=(),
        images_NHWC=(colour_C3[labels_N][:, None, None, :] + noise_NHWC).astype(np.uint8),
        labels_N=labels_N,
        class_names=tuple(f"class {label}" for label in range(len(TRAIN_N))),
        train_N=np.array([trains for _, trains in rows]),
        fingerprint="contract",
        size=SIDE_PX,
    )


def session(
    strategies: Sequence[str], out: Path, epochs: int = 3, device: torch.device = CPU
) -> tuple[Plan, RunContext]:
    """Return a plan and a context for these strategies that write below `out`, for use inside `backbone()`."""
    made, data = suite(epochs), loaded()
    stages = make_stages(data, made)
    name = backbone_for([parse(text) for text in strategies])
    precision = {name: {"layout": CHOICE.layout, "dtype": CHOICE.dtype}}
    parts = {name: parts_of(name, SIDE_PX)}
    setting = Setting(data.fingerprint, made, stages, precision, {}, text=True, parts=parts)
    plan = make_plan(setting, [name], strategies, range(1))
    context = RunContext(
        loaded=data,
        suite=made,
        stages=stages,
        choices={name: CHOICE},
        device=device,
        store=Store(out),
    )
    return plan, context
