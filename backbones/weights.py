"""Encoders from timm, with pretrained weights from timm's hub or from a safetensors file; never silently random."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from backbones.errors import BackboneError
from backbones.registry import Backbone


def create_timm(backbone: Backbone, image_size: int, weights: Literal["none", "imagenet"] | Path) -> nn.Module:
    """Return a timm model without its classifier, for square images of `image_size` pixels.

    Raises `BackboneError` for an image size that the model cannot be made for, and for weights that cannot be had.
    """
    import timm

    def create(**arguments: Any) -> nn.Module:
        return timm.create_model(backbone.timm_name, num_classes=0, **arguments)

    sizes = _size_arguments(backbone, image_size)
    if weights == "none":
        return create(**sizes)
    if weights == "imagenet":
        try:
            return create(pretrained=True, **sizes)
        except Exception as error:  # no network, no such file, no weights: each library says it in its own way
            raise BackboneError(
                f"ImageNet weights for {backbone.name} could not be had ({_first_line(error)}); "
                "give them with --weights FILE.safetensors"
            ) from error
    encoder = create(**sizes)
    load_file(encoder, weights, backbone.name)
    return encoder


def _size_arguments(backbone: Backbone, image_size: int) -> dict[str, Any]:
    """Return `img_size` for models that are made for one size; `BackboneError` where the patches do not fit."""
    import timm

    config = timm.get_pretrained_cfg(backbone.timm_name, allow_unregistered=False)
    if config is None or not config.fixed_input_size:
        return {}
    return {"img_size": image_size}


def load_file(encoder: nn.Module, path: Path, name: str) -> None:
    """Load a safetensors file with a timm model's keys, its classifier's keys dropped.

    Raises `BackboneError` for another format (nothing is ever unpickled), and for missing or mismatched keys.
    """
    state = _read(path)
    config: Any = getattr(encoder, "pretrained_cfg", None) or {}
    classifiers = config.get("classifier") or ()
    prefixes = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    dropped = tuple(f"{p}." for p in prefixes) + ("AuxLogits.",)  # Inception's second classifier
    expected = encoder.state_dict()
    state = {k: v for k, v in state.items() if k in expected or not k.startswith(dropped)}
    wrong = sorted(
        [k for k in expected if k not in state or state[k].shape != expected[k].shape]
        + [k for k in state if k not in expected]
    )
    if wrong:
        raise BackboneError(
            f"{path} does not fit {name}: {len(wrong)} keys are missing, unknown or of another shape, "
            f"the first is {wrong[0]!r}; give weights of the same timm model"
        )
    encoder.load_state_dict(state)


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
