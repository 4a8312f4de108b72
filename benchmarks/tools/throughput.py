"""Training speed on this machine: the training loop, its bare step and a plain script, in turns in one process.

bare: the training step alone on prepared tensors, in the layout and precision that the probe chose. loop: one epoch of
the real training loop, with sampling and augmentation. plain: a common script, with JPEG files through PIL, torchvision
transforms and a DataLoader with one worker per core (at most eight), in float32 and the default layout.
"""

from __future__ import annotations

import dataclasses
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from backbones.convolutions.small_maps import restore_convolutions
from backbones.network import Network, build
from backbones.probe import Choice, autocast, probe
from benchmarks.data.base import Loaded
from benchmarks.data.load import cache_folder
from benchmarks.planning.history import history_of
from benchmarks.planning.plan import Job
from benchmarks.planning.stages import make_stages
from benchmarks.planning.store import Store
from benchmarks.running.context import RunContext
from benchmarks.running.job import begin
from benchmarks.suites.suite import Epochs, Recipe, Suite
from benchmarks.support.hardware import usable_cores
from benchmarks.training.allocator import keep_freed_memory
from benchmarks.training.loop import one_epoch
from benchmarks.training.optimizers import make_optimizer
from benchmarks.training.state import Training
from strategies.combining.expression import parse

CLASSES = 20
MOST_WORKERS = 8
# loop and bare step differ by a few percent, less than the noise of a single pair of turns
TURNS = (*("bare", "loop") * 3, "plain")


@dataclasses.dataclass(frozen=True)
class Speed:
    """Medians in img/s, and medians of the ratios per round: loop / bare step, loop / plain script."""

    backbone: str
    layout: str
    dtype: str
    bare_img_per_s: float
    loop_img_per_s: float
    plain_img_per_s: float
    loop_over_bare: float
    loop_over_plain: float


def measure(
    backbone: str, *, device: torch.device, image_size: int = 64, batch_size: int = 64, steps: int = 8, rounds: int = 5
) -> Speed:
    """Time `rounds` of `TURNS`, `steps` batches each, and return the medians."""
    keep_freed_memory()
    choice = probe(
        backbone, image_size=image_size, batch_size=batch_size, device=device, cache_file=cache_folder() / "probe.json"
    )
    recipe = Recipe(
        image_size=image_size, batch_size=batch_size, epochs=Epochs(all=10_000), shift=0.08, weight_decay=5e-4
    )
    images_NHWC = photographs(steps * batch_size, image_size)
    with tempfile.TemporaryDirectory() as folder:
        turns: dict[str, Callable[[], None]] = {
            "bare": _bare(backbone, choice, recipe, images_NHWC, device, steps),
            "loop": _loop(backbone, choice, recipe, images_NHWC, device, Path(folder)),
            "plain": _plain(backbone, recipe, images_NHWC, device, Path(folder)),
        }
        rates: dict[str, list[float]] = {name: [] for name in turns}
        for turn in range(rounds + 1):  # the first turn warms up
            for name in TURNS:
                run = turns[name]
                started = time.perf_counter()
                run()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                if turn:
                    rates[name].append(len(images_NHWC) / (time.perf_counter() - started))
    return _speed(backbone, choice, rates)


def report(backbones: Sequence[str], device: torch.device, *, steps: int, rounds: int) -> None:
    """Measure each backbone at 64 px and print a Markdown table."""
    print("| backbone | chosen | bare step img/s | loop img/s | plain script img/s | loop / bare | loop / plain |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for backbone in backbones:
        s = measure(backbone, device=device, steps=steps, rounds=rounds)
        print(
            f"| {s.backbone} | {s.layout} {s.dtype} | {s.bare_img_per_s:.0f} | {s.loop_img_per_s:.0f} "
            f"| {s.plain_img_per_s:.0f} | {s.loop_over_bare:.2f} | {s.loop_over_plain:.2f} |"
        )


def _speed(backbone: str, choice: Choice, rates: dict[str, list[float]]) -> Speed:
    def ratio(below: str) -> float:
        """Return the median over rounds of the loop's rate divided by that of `below`."""
        each = len(rates["loop"]) // len(rates[below])
        return statistics.median(a / b for a, b in zip(rates["loop"][each - 1 :: each], rates[below], strict=True))

    bare, loop, plain = (statistics.median(rates[name]) for name in ("bare", "loop", "plain"))
    return Speed(backbone, choice.layout, choice.dtype, bare, loop, plain, ratio("bare"), ratio("plain"))


def photographs(count: int, size: int) -> np.ndarray:
    """Return smooth noise, uint8 [N, S, S, 3]; it compresses in JPEG about as well as product photographs."""
    draws = np.random.Generator(np.random.Philox(0))
    coarse_NHWC = draws.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in coarse_NHWC])


def _bare(
    backbone: str, choice: Choice, recipe: Recipe, images_NHWC: np.ndarray, device: torch.device, steps: int
) -> Callable[[], None]:
    network = build(backbone, CLASSES, image_size=recipe.image_size, seed=0).to(device)
    network.train().to(memory_format=choice.memory_format)
    optimizer = make_optimizer(recipe, network)
    images_BHWC = torch.from_numpy(images_NHWC[: recipe.batch_size])
    images_BCHW = images_BHWC.permute(0, 3, 1, 2).float().div(255).to(device, memory_format=choice.memory_format)
    labels_B = torch.arange(recipe.batch_size, device=device) % CLASSES
    return bare_steps(network, optimizer, choice, images_BCHW, labels_B, steps)


def bare_steps(
    network: Network,
    optimizer: torch.optim.Optimizer,
    choice: Choice,
    images_BCHW: torch.Tensor,
    labels_B: torch.Tensor,
    steps: int,
) -> Callable[[], None]:
    """Return a function that takes `steps` training steps on one batch in the precision of `choice`."""

    def run() -> None:
        for _ in range(steps):
            with autocast(choice, labels_B.device):
                logits_BC, _ = network(images_BCHW)
            loss = torch.nn.functional.cross_entropy(logits_BC.float(), labels_B)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return run


def _loop(
    backbone: str, choice: Choice, recipe: Recipe, images_NHWC: np.ndarray, device: torch.device, folder: Path
) -> Callable[[], None]:
    training = _training(backbone, choice, recipe, images_NHWC, device, folder)

    def run() -> None:
        one_epoch(training, lambda epoch, step: None)
        training.epoch += 1

    return run


def _training(
    backbone: str, choice: Choice, recipe: Recipe, images_NHWC: np.ndarray, device: torch.device, folder: Path
) -> Training:
    """Return a training with plain cross entropy on the images."""
    count = len(images_NHWC)
    loaded = Loaded(
        name="noise", ids=tuple(map(str, range(count))), texts=None, origin="drawn", notes=(), images_NHWC=images_NHWC,
        labels_N=np.arange(count) % CLASSES, class_names=tuple(f"class {c}" for c in range(CLASSES)),
        train_N=np.ones(count, dtype=bool), fingerprint="noise", size=recipe.image_size,
    )  # fmt: skip
    suite = Suite(
        name="throughput", title="", dataset="noise", protocol="joint", validation=0.0,
        backbones=(backbone,), strategies=("none",), recipe=recipe,
    )  # fmt: skip
    stages = make_stages(loaded, suite)
    context = RunContext(
        loaded=loaded, suite=suite, stages=stages, choices={backbone: choice}, device=device, store=Store(folder)
    )
    (segment,) = history_of(stages[0], recipe.epochs.all, parse("none"))
    job = Job("throughput", backbone, stages[0].data.stage, seed=0, segment=segment)
    return begin(context, job)


def _plain(
    backbone: str, recipe: Recipe, images_NHWC: np.ndarray, device: torch.device, folder: Path
) -> Callable[[], None]:
    """Return one epoch of a common training script as a function."""
    from torch.utils.data import DataLoader
    from torchvision import transforms

    jpegs = [cv2.imencode(".jpg", cv2.resize(image, (60, 80)))[1].tobytes() for image in images_NHWC]
    steps = [
        transforms.Resize((recipe.image_size, recipe.image_size)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomAffine(0, translate=(recipe.shift, recipe.shift)),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
    files = _Files(jpegs, folder, transforms.Compose(steps))
    network = build(backbone, CLASSES, image_size=recipe.image_size, seed=0).to(device).train()
    restore_convolutions(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    workers = min(usable_cores(), MOST_WORKERS)

    def run() -> None:
        for images_BCHW, labels_B in DataLoader(files, recipe.batch_size, shuffle=True, num_workers=workers):
            logits_BC, _ = network(images_BCHW.to(device))
            loss = torch.nn.functional.cross_entropy(logits_BC, labels_B.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


class _Files(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """JPEG files in a folder, read by PIL one at a time."""

    def __init__(self, jpegs: Sequence[bytes], folder: Path, transform: Callable[[object], torch.Tensor]) -> None:
        self.paths, self.transform = [], transform
        for number, jpeg in enumerate(jpegs):
            self.paths.append(folder / f"{number}.jpg")
            self.paths[-1].write_bytes(jpeg)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        with Image.open(io.BytesIO(self.paths[index].read_bytes())) as image:
            return self.transform(image.convert("RGB")), index % CLASSES
