"""Encoders from timm, with pretrained weights from a file, an installed package or timm's hub; never silently random.

ImageNet weights are looked for in an installed package (`pinned.py`), then in the hub's cache, then at the hub.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from backbones.errors import BackboneError
from backbones.files import write_bytes
from backbones.pinned import EXTRA, installed, pinned, read_pth
from backbones.registry import Backbone, parse

Weights = Literal["none", "imagenet"] | Path  # from the seed, from `find_imagenet`, or from a file

FILE_NAME = "model.safetensors"

Source = Literal["file", "package", "hub's cache", "hub"]


@dataclasses.dataclass(frozen=True)
class FirstWeights:
    """First weights that were found: a file, and where it was found."""

    path: Path
    source: Source

    @functools.cached_property
    def sha256(self) -> str:
        """The hash of the file's content, 64 hex digits: the same wherever the file was found."""
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def create_timm(backbone: Backbone, image_size: int) -> nn.Module:
    """Return a timm model without its classifier, for square images of `image_size` pixels.

    A model with a fixed input size, according to timm's pretrained configuration, is created for `image_size`. Raises
    `BackboneError` for a size that it does not support.
    """
    import timm

    config = timm.get_pretrained_cfg(backbone.timm_name)
    if config is None or not config.fixed_input_size:
        return timm.create_model(backbone.timm_name, num_classes=0)
    try:
        encoder = timm.create_model(backbone.timm_name, num_classes=0, img_size=image_size)
    except (TypeError, AssertionError) as error:  # the model supports no other size, or not this one
        raise BackboneError(
            f"{backbone.name} cannot be made for images of {image_size} px; it works at {config.input_size[-1]} px"
        ) from error
    patch_sides = getattr(getattr(encoder, "patch_embed", None), "patch_size", 1)
    patch = patch_sides if isinstance(patch_sides, int) else max(patch_sides)
    if image_size % patch:  # timm would silently drop the pixels after the last whole patch
        raise BackboneError(f"{backbone.name} cannot take images of {image_size} px; it needs a multiple of {patch} px")
    return encoder


def find_imagenet(backbone: Backbone) -> FirstWeights:
    """Return a backbone's ImageNet weights from the first source that has them: a package, the hub's cache, the hub.

    Raises `BackboneError` if none of them has any.
    """
    if backbone.builder is not None:
        raise BackboneError(f"{backbone.name} has no ImageNet weights; use --weights FILE.safetensors, or none")
    if path := installed(backbone.timm_name):
        return FirstWeights(path, "package")
    return _fetch(backbone)


def _fetch(backbone: Backbone) -> FirstWeights:
    """Return the hub's safetensors file for a timm model, from huggingface_hub's cache if it is cached.

    timm's own loader would fall back to a pickle file, and leave missing keys at their random initial values.
    """
    import timm

    config = timm.get_pretrained_cfg(backbone.timm_name)
    repository = config.hf_hub_id if config else None
    if not repository:
        raise BackboneError(
            f"timm has no ImageNet weights for {backbone.name}; give some with --weights FILE.safetensors"
        )
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        try:
            return FirstWeights(Path(hf_hub_download(repository, FILE_NAME, local_files_only=True)), "hub's cache")
        except LocalEntryNotFoundError:
            get_hf_file_metadata(
                hf_hub_url(repository, FILE_NAME)
            )  # fails immediately; the download retries for a minute
            return FirstWeights(Path(hf_hub_download(repository, FILE_NAME)), "hub")
    except Exception as error:  # no network, no such file, a full disk: many types
        package = f"install them with `{EXTRA}`, or " if pinned(backbone.timm_name) else ""
        raise BackboneError(
            f"ImageNet weights for {backbone.name} could not be fetched ({_first_line(error)}); "
            f"{package}give them with --weights FILE.safetensors"
        ) from error


def load_file(encoder: nn.Module, path: Path, name: str) -> None:
    """Load a safetensors file with the keys of `encoder`, a timm model, or a pinned `.pth` file of a package.

    The classifier's keys may be there too. Position embeddings of another image size are resampled as timm does it.
    Raises `BackboneError` for another format, and for keys that are missing, unknown or of another shape.
    """
    state = read_pth(path, encoder, name) if path.suffix == ".pth" else _as_timm_loads_it(encoder, _read(path))
    config: Any = getattr(encoder, "pretrained_cfg", None) or {}
    classifiers = config.get("classifier") or ()
    prefixes = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    dropped = (*(f"{prefix}." for prefix in prefixes), "AuxLogits.")  # Inception's second classifier
    expected = encoder.state_dict()
    state = {key: tensor for key, tensor in state.items() if key in expected or not key.startswith(dropped)}
    wrong = [key for key, tensor in state.items() if key not in expected or tensor.shape != expected[key].shape]
    wrong += [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    if wrong:
        raise BackboneError(
            f"{path} does not fit {name}: {len(wrong)} keys are missing, unknown or of another shape, "
            f"the first is {min(wrong)!r}; give weights of the same timm model"
        )
    encoder.load_state_dict({**expected, **state})  # files of old models have no batch counters


def write_half(name: str, path: Path) -> None:
    """Write a backbone's ImageNet weights to a safetensors file that `load_file` reads, matrices in float16.

    Vectors stay in float32: they take little room, and variances can exceed float16. Raises `BackboneError` as
    `find_imagenet` and `load_file` do, and for a file that cannot be written.
    """
    import timm
    from safetensors.torch import save

    backbone = parse(name).backbone
    first = find_imagenet(backbone)
    config = timm.get_pretrained_cfg(backbone.timm_name)
    encoder = create_timm(backbone, config.input_size[-1] if config else 224)
    load_file(encoder, first.path, backbone.name)
    state = {key: tensor.half() if tensor.dim() > 1 else tensor for key, tensor in encoder.state_dict().items()}
    if path.suffix != ".safetensors":
        raise BackboneError(f"{path} is not a .safetensors file, which --weights reads; give it that ending")
    try:
        write_bytes(path, save({key: tensor.contiguous() for key, tensor in state.items()}))
    except OSError as error:
        raise BackboneError(f"{path} cannot be written ({error.strerror}); give another file") from error


def _as_timm_loads_it(encoder: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Apply the filter of the model's timm module: it resamples position embeddings and drops old buffers."""
    if not type(encoder).__module__.startswith("timm."):
        return state
    module = inspect.getmodule(type(encoder))
    adapt = getattr(module, "checkpoint_filter_fn", None)
    try:
        return adapt(state, encoder) if adapt else state
    except (KeyError, RuntimeError):
        return state  # not this model's keys; the caller says which


def _read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file as read

    if path.suffix != ".safetensors":
        raise BackboneError(f"{path} is not a .safetensors file; other formats are not read, convert it first")
    try:
        return read(path)
    except (OSError, SafetensorError) as error:
        raise BackboneError(f"{path} cannot be read ({_first_line(error)}); expected a safetensors file") from error


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's message, shortened to fit in a sentence."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]
