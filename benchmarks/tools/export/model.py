"""Read an exported folder: every file is checked, and ONNX Runtime runs the graph. Imports neither torch nor timm.

No file is trusted: each is limited in size and compared with its hash in `model.json`, JSON is read into strict types,
and nothing is unpickled. B batch, C classes, S pixels a side.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from benchmarks.support.errors import UserError

INSTALL = "pip install -e .[export]"
FORMAT: Literal["imbalance-benchmarks model 1"] = "imbalance-benchmarks model 1"
MANIFEST, GRAPH, LABELS, PREPROCESSING = "model.json", "model.onnx", "labels.json", "preprocessing.json"
WEIGHTS, CALIBRATION, CARD = "weights.safetensors", "calibration.json", "README.md"
MOST_BYTES = {GRAPH: 2**31, LABELS: 2**24, PREPROCESSING: 2**20, MANIFEST: 2**20}

_Read = TypeVar("_Read")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Manifest(_Strict):
    """`model.json`: what the folder is, which cell it was made of, and the sha256 of each of its other files."""

    format: Literal["imbalance-benchmarks model 1"]
    suite: str
    backbone: str
    strategy: str
    seed: int
    stage: Literal["head", "tail", "all"]
    key: str
    fingerprint: str
    files: dict[str, str]


class Preprocessing(_Strict):
    """`preprocessing.json`: how an image file becomes the network's input.

    The file is decoded to RGB with its EXIF orientation applied, and resized to `size` x `size` pixels by area,
    without keeping the aspect ratio. `mean`, `std` per channel, in [0, 1] units, are part of `model.onnx`, which takes
    uint8 [B, S, S, 3]; the weights in timm need them.
    """

    size: Annotated[int, Field(ge=1, le=4096)]
    resize: Literal["area, without keeping the aspect ratio"] = "area, without keeping the aspect ratio"
    colour: Literal["RGB, EXIF orientation applied"] = "RGB, EXIF orientation applied"
    mean: Annotated[list[float], Field(min_length=3, max_length=3)]
    std: Annotated[list[float], Field(min_length=3, max_length=3)]


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """An exported model that was read. `labels_C`: the class names; `session`: ONNX Runtime's."""

    manifest: Manifest
    preprocessing: Preprocessing
    labels_C: tuple[str, ...]
    session: Any

    def probabilities(self, images_BSS3: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float32 [B, C], of uint8 images [B, S, S, 3]."""
        return self.session.run(["probabilities"], {"images": images_BSS3})[0]


def read(folder: Path) -> Model:
    """Read an exported folder. Raises UserError if it is damaged or not one, and without ONNX Runtime."""
    if not (folder / MANIFEST).is_file():
        raise UserError(f"{folder} is not an exported model (it has no {MANIFEST}); give a folder that `export` wrote.")
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError(f"predictions need onnxruntime; `{INSTALL}` installs it.")
    manifest = _parsed(folder, MANIFEST, _content(folder, MANIFEST), Manifest)
    checked = {name: _content(folder, name) for name in (GRAPH, LABELS, PREPROCESSING)}
    for name, content in checked.items():
        if hashlib.sha256(content).hexdigest() != manifest.files.get(name):
            raise damaged(folder, name, f"does not match its hash in {MANIFEST}")
    preprocessing = _parsed(folder, PREPROCESSING, checked[PREPROCESSING], Preprocessing)
    labels_C = _parsed(folder, LABELS, checked[LABELS], list[str])
    session = open_graph(checked[GRAPH])
    if session is None:
        raise damaged(folder, GRAPH, "cannot be loaded by ONNX Runtime")
    size = preprocessing.size
    inputs = [(put.name, put.type, put.shape[1:]) for put in session.get_inputs()]
    outputs = {put.name: put.shape[1:] for put in session.get_outputs()}
    if inputs != [("images", "tensor(uint8)", [size, size, 3])] or outputs.get("probabilities") != [len(labels_C)]:
        raise damaged(folder, GRAPH, f"does not fit {LABELS} and {PREPROCESSING}")
    return Model(manifest, preprocessing, tuple(labels_C), session)


def open_graph(graph: bytes) -> Any:
    """Return ONNX Runtime's session on the CPU of a serialised model; None if it cannot be loaded."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors come as exceptions
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception:  # its errors have many types
        return None


def damaged(folder: Path, name: str, what: str) -> UserError:
    """Return the error for a file that is not as `export` wrote it."""
    return UserError(f"{folder / name} {what}; export the model again, or take an intact copy of the folder.")


def _content(folder: Path, name: str) -> bytes:
    """Return a file's content. Raises UserError where it is missing, unreadable or larger than such a file can be."""
    path = folder / name
    try:
        if path.stat().st_size > MOST_BYTES[name]:
            raise damaged(folder, name, "is too large")
        return path.read_bytes()
    except OSError as error:
        raise damaged(folder, name, f"cannot be read ({error.strerror})") from error


def _parsed(folder: Path, name: str, content: bytes, kind: type[_Read]) -> _Read:
    """Return JSON as `kind`. Raises UserError for anything else."""
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "its content"
        raise damaged(folder, name, f"is not what `export` writes ({where}: {first['msg'].lower()})") from error
