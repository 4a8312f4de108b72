"""The network's weights under timm's own names, so that plain timm loads them. C classes, F features."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from backbones.errors import BackboneError
from backbones.network import Network
from backbones.registry import parse
from backbones.weights import create_timm
from benchmarks.tools.export.posthoc import Correction

OWN = ("pool.", "classifier.")  # name prefixes of layers that the timm model does not have
LINEAR = 1e-9  # largest deviation from a linear map, relative


@dataclasses.dataclass(frozen=True, eq=False)
class Tensors:
    """Weights by name. `create`: arguments of `timm.create_model` whose model has those names; none where timm has
    no such model. `whole`: that model has the classifier too, so that it gives the exported model's logits.
    """

    state: dict[str, Tensor]
    create: tuple[str, dict[str, Any]] | None
    whole: bool

    def save(self, path: Path) -> None:
        """Write them as safetensors."""
        save_file({name: tensor.contiguous().clone() for name, tensor in self.state.items()}, path, {"format": "pt"})


def folded(classifier: nn.Module, correction: Correction) -> nn.Linear | None:
    """Return a linear layer that gives the corrected logits; None where the classifier is not one linear layer.

    Learnt scales on the logits of a linear layer (`lws`) are folded in, too.
    """
    if not isinstance(classifier, nn.Linear):
        return None
    precise = copy.deepcopy(classifier).double()
    with torch.no_grad():
        bias_C = precise(torch.zeros(1, classifier.in_features, dtype=torch.float64))[0]
        weight_FC = precise(torch.eye(classifier.in_features, dtype=torch.float64)) - bias_C
        tried_BF = torch.randn(
            8, classifier.in_features, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        )
        expected_BC = precise(tried_BF)
        if (tried_BF @ weight_FC + bias_C - expected_BC).abs().max() > LINEAR * expected_BC.abs().max().clamp(min=1):
            return None
        scale_C, shift_C = torch.from_numpy(correction.scale_C), torch.from_numpy(correction.shift_C)
        linear = nn.utils.skip_init(nn.Linear, classifier.in_features, classifier.out_features)
        linear.weight.copy_((weight_FC * scale_C).T)
        linear.bias.copy_(bias_C * scale_C + shift_C)
    return linear.eval()


def tensors_of(network: Network, image_size: int) -> Tensors:
    """Return the network's weights under timm's names; names of layers that timm lacks start with `OWN`."""
    own = {
        f"{part}{name}": tensor
        for part, module in zip(OWN, (network.pool, network.classifier), strict=True)
        for name, tensor in module.state_dict().items()
    }
    # a timm model wrapped to return its feature map is the wrapper's `model`
    encoder = {name.removeprefix("model."): tensor for name, tensor in network.encoder.state_dict().items()}
    timm_name = parse(network.spec).backbone.timm_name
    arguments = _arguments(timm_name, image_size)
    if arguments is None or not _same_names(network.spec, image_size, encoder):
        return Tensors({**network.encoder.state_dict(), **own}, None, whole=False)
    whole = _as_one(network, timm_name, arguments, encoder, image_size)
    if whole is not None:
        classes = len(own["classifier.bias"])
        return Tensors(whole, (timm_name, {"num_classes": classes, **arguments}), whole=True)
    return Tensors({**encoder, **own}, (timm_name, {"num_classes": 0, **arguments}), whole=False)


def _arguments(timm_name: str, image_size: int) -> dict[str, Any] | None:
    """Return the arguments about image size for `timm.create_model`; None if it is not a timm model."""
    import timm

    config = timm.get_pretrained_cfg(timm_name) if timm_name else None
    if config is None:
        return {} if timm_name else None
    return {"img_size": image_size} if config.fixed_input_size else {}


def _same_names(spec: str, image_size: int, encoder: dict[str, Tensor]) -> bool:
    """Whether the encoder has the names and shapes of timm's; several experts have not."""
    try:
        fresh = create_timm(parse(spec).backbone, image_size).state_dict()
    except BackboneError:
        return False
    return {name: t.shape for name, t in fresh.items()} == {name: t.shape for name, t in encoder.items()}


def _as_one(
    network: Network, timm_name: str, arguments: dict[str, Any], encoder: dict[str, Tensor], image_size: int
) -> dict[str, Tensor] | None:
    """Return encoder and classifier as timm's model of that many classes names them; None if it cannot hold both."""
    import timm

    classifier, config = network.classifier, timm.get_pretrained_cfg(timm_name)
    if not isinstance(classifier, nn.Linear) or config is None or not isinstance(config.classifier, str):
        return None
    if network.pool.state_dict():
        return None
    state = {**encoder, **{f"{config.classifier}.{name}": t for name, t in classifier.state_dict().items()}}
    model = timm.create_model(timm_name, num_classes=classifier.out_features, **arguments).eval()
    if {name: t.shape for name, t in model.state_dict().items()} != {name: t.shape for name, t in state.items()}:
        return None
    model.load_state_dict(state)
    images_BCHW = torch.randn(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected_BC = classifier(network.features(images_BCHW))
        off = (model(images_BCHW) - expected_BC).abs().max() / expected_BC.abs().max().clamp(min=1)
    return state if off < 1e-4 else None
