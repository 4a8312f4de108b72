"""Encoders from timm, with pretrained weights from timm's hub or from a safetensors file; never silently random."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from backbones.errors import BackboneError
from backbones.registry import Backbone

Weights = Literal["none", "imagenet"] | Path  # from the seed, from timm's hub, or from a safetensors file

FILE_NAME = "model.safetensors"


def create_timm(backbone: Backbone, image_size: int, weights: Weights) -> nn.Module:
    """Return a timm model without its classifier, for square images of `image_size` pixels.

    Raises `BackboneError` for an image size that the model cannot be made for, and for weights that cannot be had.
    """
    encoder = _create(backbone, image_size)
    if weights == "imagenet":
        load_file(encoder, _fetch(encoder, backbone.name), backbone.name)
    elif isinstance(weights, Path):
        load_file(encoder, weights, backbone.name)
    return encoder


def _create(backbone: Backbone, image_size: int) -> nn.Module:
    """Make the model, for its image size where timm's pretrained configuration says that it has a fixed one."""
    import timm

    config = timm.get_pretrained_cfg(backbone.timm_name)
    if config is None or not config.fixed_input_size:
        return timm.create_model(backbone.timm_name, num_classes=0)
    try:
        encoder = timm.create_model(backbone.timm_name, num_classes=0, img_size=image_size)
    except (TypeError, AssertionError) as error:  # takes no other size, or not this one
        raise BackboneError(
            f"{backbone.name} cannot be made for images of {image_size} px; it works at {config.input_size[-1]} px"
        ) from error
    patch_sides = getattr(getattr(encoder, "patch_embed", None), "patch_size", 1)
    patch = patch_sides if isinstance(patch_sides, int) else max(patch_sides)
    if image_size % patch:  # timm would leave out the pixels past the last whole patch, without a word
        raise BackboneError(f"{backbone.name} cannot take images of {image_size} px; it needs a multiple of {patch} px")
    return encoder


def _fetch(encoder: nn.Module, name: str) -> Path:
    """Return the hub's safetensors file for a timm model, from huggingface_hub's cache where it is there.

    timm's own loading would go on to an unpickled file, and leave keys that are missing at random.
    """
    config: Any = encoder.pretrained_cfg
    repository = config.get("hf_hub_id")
    if not repository:
        raise BackboneError(f"timm has no ImageNet weights for {name}; give some with --weights FILE.safetensors")
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        try:
            return Path(hf_hub_download(repository, FILE_NAME, local_files_only=True))
        except LocalEntryNotFoundError:
            get_hf_file_metadata(hf_hub_url(repository, FILE_NAME))  # fails at once; the download tries for a minute
            return Path(hf_hub_download(repository, FILE_NAME))
    except Exception as error:  # no network, no such file, a full disk: each library says it in its own way
        raise BackboneError(
            f"ImageNet weights for {name} could not be fetched ({_first_line(error)}); "
            "give them with --weights FILE.safetensors"
        ) from error


def load_file(encoder: nn.Module, path: Path, name: str) -> None:
    """Load a safetensors file with the keys of `encoder`, a timm model; its classifier's keys may be there too.

    Position embeddings of another image size are resampled as timm does it. Raises `BackboneError` for another format
    (nothing is ever unpickled), and for keys that are missing, unknown or of another shape.
    """
    state = _as_timm_loads_it(encoder, _read(path))
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


def _as_timm_loads_it(encoder: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Let the filter that timm keeps beside the model's class resample position embeddings and drop old buffers."""
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
