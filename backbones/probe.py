"""Measures once which memory layout and precision train a backbone fastest on this machine, and caches the result.

No rule covers all backbones (docs/performance.md).
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from backbones.errors import BackboneError
from backbones.files import write_bytes
from backbones.network import Network, build, seeded
from backbones.registry import parse

Layout = Literal["contiguous", "channels_last"]
Precision = Literal["float32", "bfloat16"]
PROBE_CLASSES = 10
MOST_ROUNDS = 10


@dataclasses.dataclass(frozen=True)
class Choice:
    """A memory layout and a precision; `img_per_s`: the rates timed, keyed `"<layout> <dtype>"` (empty: no choice).

    Job keys hold `layout` and `dtype`, so the choice is made once per machine and read back afterwards. `at`: when it
    was timed (ISO 8601, UTC); `busy`: the machine had other work then, so that the rates are too low.
    """

    layout: Layout
    dtype: Precision
    img_per_s: Mapping[str, float] = dataclasses.field(default_factory=dict)
    at: str = ""
    busy: bool = False

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout as torch writes it, for `network.to(memory_format=...)` and batches."""
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format


def autocast(choice: Choice, device: torch.device | str) -> torch.autocast:
    """Return the context in which a training step on `device` runs in the chosen precision."""
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=choice.dtype == "bfloat16")


def probe(
    spec: str,
    *,
    image_size: int,
    batch_size: int,
    device: torch.device | str,
    smallest_size: int | None = None,
    seconds: float = 3.0,
    cache_file: Path | None = None,
    busy: Callable[[], bool] = lambda: False,
    again: bool = False,
) -> Choice:
    """Return the fastest layout and precision for training steps of `spec`, timed for about `seconds`.

    On the CPU the variants take turns, one step each, and the fastest step counts; bfloat16 is tried only if the CPU
    has bfloat16 instructions and its gradients are correct down to `smallest_size` pixels (default: `image_size`), the
    size at which a recipe may start. A GPU that computes in bfloat16 always gets channels_last bfloat16, which is
    timed for estimates; no time is recorded if the batch does not fit its memory.
    The outcome is kept in `cache_file` (JSON), keyed by spec, sizes, device, threads and torch version. Rates timed
    while the machine was `busy` are timed once more when it is idle, without changing the choice; `again` times and
    chooses again.
    Raises `BackboneError` for a spec or an image size that cannot be built. Leaves torch's generators as they were.
    """
    device = torch.device(device)
    smallest_size = smallest_size or image_size
    key = _key(str(parse(spec)), image_size, smallest_size, batch_size, device)
    known = _read(cache_file)
    kept = None if again else known.get(key)
    loaded = busy() if kept is None or kept["busy"] else False
    if kept is None or (kept["busy"] and not loaded):
        variants = _variants(device)
        try:
            timed = time_variants(variants, spec, image_size, smallest_size, batch_size, device, seconds)
        except torch.OutOfMemoryError:  # training splits batches that do not fit
            if len(variants) > 1:
                raise
            torch.cuda.empty_cache()
            return variants[0]
        known = _read(cache_file)  # read again: another process may have been first
        kept = None if again else known.get(key)
        chosen = kept["choice"] if kept else max(timed, key=lambda variant: timed[variant])
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        known[key] = {"choice": chosen, "img_per_s": timed, "at": now, "busy": loaded}
        if cache_file is not None:
            _write(cache_file, known)
    layout, dtype = known[key]["choice"].split()
    return Choice(layout, dtype, dict(known[key]["img_per_s"]), known[key]["at"], known[key]["busy"])


def _variants(device: torch.device) -> list[Choice]:
    """Return what is worth timing on a device."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return [Choice("channels_last", "bfloat16")]
    float32 = [Choice("contiguous", "float32"), Choice("channels_last", "float32")]
    if device.type == "cpu" and _cpu_computes_bfloat16():
        return [*float32, Choice("channels_last", "bfloat16")]
    return float32


def _cpu_computes_bfloat16() -> bool:
    """Whether the CPU has bfloat16 instructions; without them torch emulates, many times slower."""
    flags = torch.cpu.get_capabilities()
    return any(bool(flags.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def bfloat16_is_sound(network: Network, spec: str, image_size: int) -> bool:
    """Whether torch's bfloat16 gradients on the CPU can be trusted for images of `image_size` pixels.

    In torch 2.15, the weight gradient of a strided convolution with a kernel wider than one pixel reads uninitialised
    memory if its input is a single pixel. Raises `BackboneError` if the encoder cannot take such images.
    """
    struck = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Record a strided convolution with a kernel wider than one pixel whose input is a single pixel."""
        wide = isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1 and max(module.stride) > 1
        if wide and inputs[0].shape[-2:] == (1, 1):
            struck.append(module)

    hooks = [module.register_forward_hook(look) for module in network.modules()]
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise BackboneError(f"{spec} cannot take images of {image_size} px, from which the recipe grows") from error
    finally:
        network.train()
        for hook in hooks:
            hook.remove()
    return not struck


def time_variants(
    variants: Sequence[Choice], spec: str, image_size: int, smallest_size: int, batch_size: int, device: torch.device,
    seconds: float,
) -> dict[str, float]:  # fmt: skip
    """Time one training step of each variant in turn for about `seconds`; return each one's best rate in img/s."""
    sound = bfloat16_is_sound(build(spec, PROBE_CLASSES, image_size=image_size, seed=0), spec, smallest_size)
    if device.type == "cpu" and not sound:
        variants = [variant for variant in variants if variant.dtype != "bfloat16"]
    networks = [build(spec, PROBE_CLASSES, image_size=image_size, seed=0) for _ in variants]
    networks = [n.to(device).to(memory_format=v.memory_format) for n, v in zip(networks, variants, strict=True)]
    with seeded("probe"):
        images_BCHW = torch.randn(batch_size, 3, image_size, image_size).to(device)
        labels_B = torch.randint(PROBE_CLASSES, (batch_size,)).to(device)
        times: list[list[float]] = [[] for _ in variants]
        deadline = time.perf_counter() + seconds
        for _ in range(MOST_ROUNDS):
            for network, variant, taken in zip(networks, variants, times, strict=True):
                taken.append(_step(network, variant, images_BCHW, labels_B))
            if time.perf_counter() > deadline:
                break
    # the fastest step counts: other work on the machine only ever slows one down, and by different amounts
    return {
        f"{variant.layout} {variant.dtype}": round(batch_size / min(taken), 1)
        for variant, taken in zip(variants, times, strict=True)
    }


def _step(network: Network, variant: Choice, images_BCHW: Tensor, labels_B: Tensor) -> float:
    """Run forward, backward and a plain update; return seconds."""
    images_BCHW = images_BCHW.contiguous(memory_format=variant.memory_format)
    _wait(images_BCHW.device)
    start = time.perf_counter()
    with autocast(variant, images_BCHW.device):
        logits_BC, _ = network(images_BCHW)
    functional.cross_entropy(logits_BC.float(), labels_B).backward()
    _update(network)
    _wait(images_BCHW.device)
    return time.perf_counter() - start


def _update(network: nn.Module) -> None:
    """Take a tiny gradient step and clear the gradients."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.add_(parameter.grad, alpha=-1e-6)
                parameter.grad = None


def _wait(device: torch.device) -> None:
    """Wait until the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _key(spec: str, image_size: int, smallest_size: int, batch_size: int, device: torch.device) -> str:
    """Return what an outcome depends on, as text."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{torch.cpu.get_capabilities().get('cpu_name', 'cpu')} x{torch.get_num_threads()}"
    sizes = f"{image_size}px" if smallest_size == image_size else f"{smallest_size}-{image_size}px"
    return f"{spec} {sizes} batch {batch_size} on {name}, torch {torch.__version__}"


def _read(cache_file: Path | None) -> dict[str, dict[str, Any]]:
    """Return the stored outcomes; none if the file is missing or damaged."""
    if cache_file is None:
        return {}
    try:
        return {key: kept for key, kept in json.loads(cache_file.read_text()).items() if _usable(kept)}
    except (OSError, ValueError, AttributeError):
        return {}


def _usable(kept: object) -> bool:
    """Whether `kept` is a valid outcome of `probe`."""
    if not (isinstance(kept, dict) and isinstance(kept.get("at"), str) and isinstance(kept.get("busy"), bool)):
        return False
    timed = kept.get("img_per_s")
    named = {f"{layout} {dtype}" for layout in ("contiguous", "channels_last") for dtype in ("float32", "bfloat16")}
    return (
        isinstance(timed, dict)
        and kept.get("choice") in timed
        and all(variant in named and isinstance(speed, float | int) for variant, speed in timed.items())
    )


def _write(cache_file: Path, known: dict[str, dict[str, Any]]) -> None:
    """Write all outcomes atomically.

    Raises BackboneError if that fails: otherwise the next run might choose another variant and so train different jobs.
    """
    try:
        write_bytes(cache_file, json.dumps(known, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise BackboneError(
            f"the outcome of the probe cannot be kept in {cache_file} ({error.strerror}); fix this, or set "
            "BENCHMARKS_CACHE to another folder."
        ) from error
