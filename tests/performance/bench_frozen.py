"""Training on stored features over a plain script's step, and extraction over torch's eager mode, in turns on one core.

The plain script does the same as the strategy. Reference: a step takes at most 1.5 times the script's, and ONNX Runtime
is at least twice as fast as torch.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn.functional import cross_entropy

from backbones.convolutions.small_maps import restore_convolutions
from backbones.network import build
from benchmarks.data.base import Loaded
from benchmarks.planning.history import history_of
from benchmarks.planning.plan import Job
from benchmarks.planning.stages import make_stages
from benchmarks.planning.store import Store
from benchmarks.running.context import RunContext
from benchmarks.running.job import begin
from benchmarks.running.session import FROZEN_CHOICE
from benchmarks.suites.suite import Suite, load
from benchmarks.tools.throughput import photographs
from benchmarks.training.loop import one_epoch, steps_per_epoch
from benchmarks.training.optimizers import make_optimizer
from benchmarks.training.state import Training
from benchmarks.training.stored.extractor import make_extractor, missing
from strategies.combining.expression import parse

BACKBONE, FEATURES, CLASSES, ROWS, ROUNDS = "efficientnet_lite0", 1280, 20, 8192, 7


def in_turns(*turns: Callable[[], None]) -> list[list[float]]:
    """Return the CPU seconds of each turn in each round, after one that warms up."""
    seconds: list[list[float]] = [[] for _ in turns]
    for number in range(ROUNDS + 1):
        for run, found in zip(turns, seconds, strict=True):
            started = time.process_time()
            run()
            if number:
                found.append(time.process_time() - started)
    return seconds


def frozen_training(suite: Suite, strategy: str, features_VNF: np.ndarray, folder: Path) -> Training:
    """Return a training of stage 1 on features of rows that take turns in their classes."""
    loaded = Loaded(
        name="noise", ids=tuple(map(str, range(ROWS))), texts=None, origin="drawn", notes=(),
        images_NHWC=np.zeros((ROWS, 8, 8, 3), np.uint8), labels_N=np.arange(ROWS) % CLASSES,
        class_names=tuple(f"class {c}" for c in range(CLASSES)), train_N=np.ones(ROWS, dtype=bool),
        fingerprint="noise", size=suite.recipe.image_size,
    )  # fmt: skip
    stages = make_stages(loaded, suite)
    context = RunContext(
        loaded=loaded, suite=suite, stages=stages, choices={BACKBONE: FROZEN_CHOICE}, device=torch.device("cpu"),
        store=Store(folder), features={BACKBONE: features_VNF},
    )  # fmt: skip
    (segment,) = history_of(stages[0], suite.recipe.epochs.all, parse(strategy))
    return begin(context, Job("frozen", BACKBONE, stages[0].data.stage, seed=0, segment=segment))


def _plain(logits_of: Callable[[torch.Tensor], torch.Tensor], x_BF: torch.Tensor, y_B: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits_of(x_BF), y_B)


def _balanced(logits_of: Callable[[torch.Tensor], torch.Tensor], x_BF: torch.Tensor, y_B: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits_of(x_BF) + PRIOR_C, y_B)


def _mixed(logits_of: Callable[[torch.Tensor], torch.Tensor], x_BF: torch.Tensor, y_B: torch.Tensor) -> torch.Tensor:
    share, order_B = float(DRAWS.beta(0.2, 0.2)), torch.randperm(len(y_B))
    logits_BC = logits_of(share * x_BF + (1 - share) * x_BF[order_B])
    return share * cross_entropy(logits_BC, y_B) + (1 - share) * cross_entropy(logits_BC, y_B[order_B])


DRAWS, PRIOR_C = np.random.default_rng(0), torch.full((CLASSES,), 1 / CLASSES).log()
SCRIPTS = {"none": _plain, "balanced-softmax": _balanced, "mixup": _mixed}


def bare_epoch(training: Training, features_NF: torch.Tensor, strategy: str) -> Callable[[], None]:
    """Return an epoch of a plain script on features in memory: shuffled rows, linear layer, loss, AdamW."""
    network, loss = torch.nn.Linear(FEATURES, CLASSES), SCRIPTS[strategy]
    optimizer = make_optimizer(training.recipe, network)
    labels_N = torch.arange(ROWS) % CLASSES

    def run() -> None:
        for rows_B in torch.randperm(ROWS).split(training.recipe.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss(network, features_NF[rows_B], labels_N[rows_B]).backward()
            optimizer.step()

    return run


@pytest.mark.parametrize("batch_size", [64, 256])
@pytest.mark.parametrize("strategy", list(SCRIPTS))
def bench_step_on_stored_features(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], strategy: str, batch_size: int
) -> None:
    suite = load("fashion-frozen").model_copy(update={"protocol": "joint", "validation": 0.0})
    suite = suite.model_copy(update={"recipe": suite.recipe.model_copy(update={"batch_size": batch_size})})
    features_VNF = np.random.default_rng(0).random((2, ROWS, FEATURES), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        training = frozen_training(suite, strategy, features_VNF, Path(folder))
        turns = (bare_epoch(training, torch.from_numpy(features_VNF[0]), strategy), lambda: _epoch(training))
        bare, loop = benchmark.pedantic(in_turns, turns, rounds=1, iterations=1)
    steps = steps_per_epoch(training.stage, training.recipe)
    ratio = statistics.median(a / b for a, b in zip(loop, bare, strict=True))
    benchmark.extra_info["step_over_bare"] = ratio
    with capsys.disabled():
        print(
            f"\n{strategy}, batches of {batch_size}: {1e3 * statistics.median(loop) / steps:.3f} ms a step, "
            f"{ratio:.2f} times the plain script's ({1e3 * statistics.median(bare) / steps:.3f} ms)"
        )


def _epoch(training: Training) -> None:
    one_epoch(training, lambda epoch, step: None)
    training.history.clear()


@pytest.mark.parametrize("image_size", [128, 224])
def bench_extraction(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], image_size: int) -> None:
    if missing():
        pytest.skip(f"{', '.join(missing())} not installed")
    network = build(BACKBONE, 2, image_size=image_size, seed=0).eval()
    extract = make_extractor(network, image_size, torch.device("cpu"))
    assert extract.how == "onnxruntime", extract.why
    restore_convolutions(network)
    images_BHWC = photographs(16, image_size)
    images_BCHW = torch.from_numpy(images_BHWC).permute(0, 3, 1, 2).float().div(255)

    def eager() -> None:
        with torch.inference_mode():
            network.features(images_BCHW)

    torchs, ours = benchmark.pedantic(in_turns, (eager, lambda: extract(images_BHWC)), rounds=1, iterations=1)
    ratio = statistics.median(a / b for a, b in zip(torchs, ours, strict=True))
    benchmark.extra_info["over_eager"] = ratio
    with capsys.disabled():
        print(
            f"\n{BACKBONE} at {image_size} px: {16 / statistics.median(ours):.0f} img/s, "
            f"{ratio:.2f} times torch's eager mode ({16 / statistics.median(torchs):.0f} img/s)"
        )
