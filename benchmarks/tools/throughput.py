"""Training speed on this machine: the training loop, its bare step and a plain script, in turns in one process.

bare: the training step alone on prepared tensors, in the layout and precision that the probe chose. loop: one epoch of
the real training loop, with sampling and augmentation. plain: a common script, with JPEG files through PIL, torchvision
transforms and a DataLoader with one worker per core (at most eight, which stay for all epochs), in float32 and the
default layout. On a GPU also the loop's share of the card's peak, and how often a step waits for it.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
import tempfile
import time
import warnings
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
from benchmarks.support.gpu_peaks import bf16_peak
from benchmarks.support.hardware import others_at_work
from benchmarks.tools.plain_script import plain_script
from benchmarks.training.allocator import keep_freed_memory
from benchmarks.training.loop import one_epoch
from benchmarks.training.optimizers import make_optimizer
from benchmarks.training.state import Training
from strategies.combining.expression import parse

CLASSES = 20
# loop and bare step differ by a few percent, less than the noise of a single pair of turns
TURNS = (*("bare", "loop") * 3, "plain")


@dataclasses.dataclass(frozen=True)
class Speed:
    """Medians in img/s, and medians of the ratios per round: loop / bare step, loop / plain script.

    `of_peak`: the loop's FLOP/s over the GPU's bfloat16 peak, None if that is not known. `waits`: how often the host
    waits for the GPU in a step of the loop. `loop_over_eager`: over the loop without CUDA graphs. Both are None on the
    CPU.
    """

    backbone: str
    image_size: int
    batch_size: int
    layout: str
    dtype: str
    bare_img_per_s: float
    loop_img_per_s: float
    plain_img_per_s: float
    loop_over_bare: float
    loop_over_plain: float
    of_peak: float | None = None
    waits: float | None = None
    loop_over_eager: float | None = None


def measure(
    backbone: str,
    *,
    device: torch.device,
    image_size: int = 64,
    batch_size: int = 64,
    steps: int = 8,
    rounds: int = 5,
    smallest_size: int | None = None,
    again: bool = False,
) -> Speed:
    """Time `rounds` of `TURNS`, `steps` batches each, and return the medians; `smallest_size`, `again`: see `probe`."""
    keep_freed_memory()
    choice = probe(
        backbone, image_size=image_size, batch_size=batch_size, device=device, smallest_size=smallest_size,
        cache_file=cache_folder() / "probe.json", busy=others_at_work, again=again,
    )  # fmt: skip
    recipe = Recipe(
        image_size=image_size, batch_size=batch_size, epochs=Epochs(all=10_000), shift=0.08, weight_decay=5e-4
    )
    images_NHWC = photographs(steps * batch_size, image_size)
    with tempfile.TemporaryDirectory() as folder:
        training = _training(backbone, choice, recipe, images_NHWC, device, Path(folder))
        turns: dict[str, Callable[[], None]] = {
            "bare": _bare(backbone, choice, recipe, images_NHWC, device, steps),
            "loop": functools.partial(_epoch, training),
            "plain": plain_script(backbone, CLASSES, recipe, images_NHWC, device, Path(folder)),
        }
        order: tuple[str, ...] = TURNS
        if device.type == "cuda":
            eager = recipe.model_copy(update={"cuda_graphs": False})
            turns["eager"] = functools.partial(
                _epoch, _training(backbone, choice, eager, images_NHWC, device, Path(folder))
            )
            order = (*TURNS, "eager")
        rates: dict[str, list[float]] = {name: [] for name in turns}
        for turn in range(rounds + 1):  # the first turn warms up
            for name in order:
                run = turns[name]
                started = time.perf_counter()
                run()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                if turn:
                    rates[name].append(len(images_NHWC) / (time.perf_counter() - started))
        waits = waits_per_step(training) if device.type == "cuda" else None
    speed = _speed(backbone, choice, recipe, rates)
    return dataclasses.replace(speed, of_peak=_of_peak(speed, choice, device), waits=waits)


def report(
    backbones: Sequence[str],
    device: torch.device,
    *,
    image_size: int,
    batch_size: int,
    steps: int,
    rounds: int,
    smallest_size: int | None = None,
    again: bool = False,
) -> None:
    """Measure each backbone and print a Markdown table, after a line if other work slows the machine down."""
    if others_at_work():
        print("This machine is busy with other work; rates are lower than without, ratios are less exact.\n")
    print(
        "| backbone | px | batch | chosen | bare step img/s | loop img/s | plain script img/s | loop / bare "
        "| loop / plain | graphs / none | of bf16 peak | waits a step |"
    )
    print("|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for backbone in backbones:
        s = measure(
            backbone, device=device, image_size=image_size, batch_size=batch_size, steps=steps, rounds=rounds,
            smallest_size=smallest_size, again=again,
        )  # fmt: skip
        on_gpu = (s.loop_over_eager, s.of_peak, s.waits)
        graphs, of_peak, waits = ("-" if given is None else f"{given:.2f}" for given in on_gpu)
        print(
            f"| {s.backbone} | {s.image_size} | {s.batch_size} | {s.layout} {s.dtype} | {s.bare_img_per_s:.0f} "
            f"| {s.loop_img_per_s:.0f} | {s.plain_img_per_s:.0f} | {s.loop_over_bare:.2f} | {s.loop_over_plain:.2f} "
            f"| {graphs} | {of_peak} | {waits} |",
            flush=True,
        )


def flops_per_image(backbone: str, image_size: int) -> float:
    """Return the floating-point operations of a training step per image, forward and backward, by torch's count."""
    from torch.utils.flop_counter import FlopCounterMode

    network = build(backbone, CLASSES, image_size=image_size, seed=0).train()
    restore_convolutions(network)  # the CPU's custom convolutions skip work that a GPU does
    network.to("meta")
    images_BCHW = torch.empty(2, 3, image_size, image_size, device="meta")
    with FlopCounterMode(display=False) as counter:
        network(images_BCHW)[0].sum().backward()
    return counter.get_total_flops() / len(images_BCHW)


def _of_peak(speed: Speed, choice: Choice, device: torch.device) -> float | None:
    """Return the loop's share of the GPU's peak; None on the CPU, in float32, and for a card that is not known."""
    peak = bf16_peak(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    if peak is None or choice.dtype != "bfloat16":
        return None
    return speed.loop_img_per_s * flops_per_image(speed.backbone, speed.image_size) / peak


def waits_per_step(training: Training) -> float:
    """Train one epoch; return how often per step the host waits for the GPU, by torch's count.

    The first step is left out: it copies what all steps of an epoch share.
    """
    counts: list[int] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            _epoch(training, lambda epoch, step: counts.append(_waits(said)))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return (counts[-1] - counts[0]) / max(1, len(counts) - 1)


def _waits(said: Sequence[warnings.WarningMessage]) -> int:
    return sum("synchronizing CUDA operation" in str(warning.message) for warning in said)


def _epoch(training: Training, on_step: Callable[[int, int], None] = lambda epoch, step: None) -> None:
    one_epoch(training, on_step)
    training.epoch += 1


def _speed(backbone: str, choice: Choice, recipe: Recipe, rates: dict[str, list[float]]) -> Speed:
    def ratio(below: str) -> float:
        """Return the median over rounds of the loop's rate divided by that of `below`."""
        each = len(rates["loop"]) // len(rates[below])
        return statistics.median(a / b for a, b in zip(rates["loop"][each - 1 :: each], rates[below], strict=True))

    bare, loop, plain = (statistics.median(rates[name]) for name in ("bare", "loop", "plain"))
    return Speed(
        backbone, recipe.image_size, recipe.batch_size, choice.layout, choice.dtype, bare, loop, plain,
        ratio("bare"), ratio("plain"), loop_over_eager=ratio("eager") if "eager" in rates else None,
    )  # fmt: skip


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
