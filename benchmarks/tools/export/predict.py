"""Image files -> classes with calibrated probabilities, in batches: for the command `predict`. Imports no torch.

B batch, C classes, S pixels a side.
"""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.data.decoded.pixels import decode_image
from benchmarks.data.layouts.walk import IMAGE_ENDINGS, images
from benchmarks.support.errors import UserError
from benchmarks.tools.export.model import Model

BATCH = 16  # on few cores ONNX Runtime is slower with 8 and with 64
AHEAD = 2  # batches that are decoded while one is computed


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The most probable classes of an image, best first; none for an image that cannot be read."""

    path: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether the image could be read."""
        return bool(self.classes)

    def unsure(self, below: float) -> bool:
        """Whether even the most probable class has a probability below `below`."""
        return self.readable and self.probabilities[0] < below


def find_images(asked: Sequence[str]) -> list[str]:
    """Return the image files that files, folders and globs name, each once, in the order asked, folders sorted.

    A file named directly may have any extension; `**` does not follow links. Raises UserError for a name that
    matches nothing.
    """
    found: dict[str, None] = {}
    for text in asked:
        if os.path.isdir(text):
            new = [os.path.join(text, name) for name in images(Path(text))]
        elif os.path.lexists(text):
            new = [text]
        else:
            new = [path for path in sorted(_matches(text)) if os.path.splitext(path)[1].lower() in IMAGE_ENDINGS]
        if not new:
            raise UserError(f"{text} names no image; give an image, a folder with some, or a glob such as 'in/*.jpg'.")
        found.update(dict.fromkeys(new))
    return list(found)


def _matches(pattern: str) -> Iterator[str]:
    """Yield what matches a glob, hidden files and folders left out; `glob.glob` would follow link cycles with `**`."""
    parts = Path(pattern).parts
    fixed = next((k for k, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    if fixed < len(parts):
        below = Path(*parts[:fixed])
        for path in below.glob(os.path.join(*parts[fixed:])):
            hidden = any(part.startswith(".") for part in path.relative_to(below).parts)
            if not hidden and (path.is_file() or path.is_symlink()):
                yield str(path)


def predict(
    model: Model, paths: Sequence[str], top: int, advance: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Prediction]:
    """Yield the `top` most probable classes of each image file, in order; `advance(done, total)` counts images."""
    done = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for batch, decoded in _decoded(pool, paths, model.preprocessing.size):
            read = [image for image in decoded if image is not None]
            answers = iter(model.probabilities(np.stack(read)) if read else ())
            for path, image in zip(batch, decoded, strict=True):
                yield Prediction(path) if image is None else _best(model, path, next(answers), top)
            done += len(batch)
            advance(done, len(paths))


def _best(model: Model, path: str, probability_C: np.ndarray, top: int) -> Prediction:
    order = np.argsort(-probability_C, kind="stable")[:top]
    return Prediction(path, tuple(model.labels_C[c] for c in order), tuple(float(probability_C[c]) for c in order))


def _decoded(
    pool: ThreadPoolExecutor, paths: Sequence[str], size: int
) -> Iterator[tuple[Sequence[str], list[np.ndarray | None]]]:
    """Yield batches of paths with their images, uint8 [S, S, 3] or None, some decoded ahead of need."""
    waiting: list[tuple[Sequence[str], list[Future[np.ndarray | None]]]] = []
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        waiting.append((batch, [pool.submit(_pixels, path, size) for path in batch]))
        if len(waiting) > AHEAD:
            first, futures = waiting.pop(0)
            yield first, [future.result() for future in futures]
    for batch, futures in waiting:
        yield batch, [future.result() for future in futures]


def _pixels(path: str, size: int) -> np.ndarray | None:
    """Return an image as the network was trained on it, uint8 [S, S, 3]; None if it cannot be read."""
    try:
        if not os.path.isfile(path):  # a pipe would block, a device never end
            return None
        with open(path, "rb") as file:
            return decode_image(file.read(), size).pixels_HWC
    except OSError:
        return None
