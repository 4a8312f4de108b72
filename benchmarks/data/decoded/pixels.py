"""One image: encoded bytes or an array in, RGB uint8 [S, S, 3] out. No other module of `data` decodes images."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import numpy as np

MAX_PIXELS = 50_000_000  # larger images are not decoded: a small file may claim gigabytes


@dataclass(frozen=True, eq=False)
class Decode:
    """`pixels_HWC`: uint8 RGB, None if there are none; `problem`: "", "missing", "unreadable" or "greyscale"."""

    pixels_HWC: np.ndarray | None
    problem: str = ""


def decode_image(image: bytes | np.ndarray | None, size: int) -> Decode:
    """Decode and resize to `size` x `size` by area, without keeping the aspect ratio.

    Greyscale becomes RGB of three equal channels, an alpha channel is dropped, the EXIF orientation is applied.
    """
    import cv2

    _quieten()
    if image is None:
        return Decode(None, "missing")
    if isinstance(image, np.ndarray):
        array = image
    else:
        width, height = size_claimed(image)
        if not 0 < width * height <= MAX_PIXELS:
            return Decode(None, "unreadable")
        try:
            decoded = cv2.imdecode(np.frombuffer(image, dtype=np.uint8), cv2.IMREAD_ANYCOLOR)
        except cv2.error:
            decoded = None
        if decoded is None:
            return Decode(None, "unreadable")
        array = decoded
    grey = array.ndim == 2
    if array.shape[:2] != (size, size):
        array = cv2.resize(array, (size, size), interpolation=cv2.INTER_AREA)
    if grey:
        array = cv2.cvtColor(array, cv2.COLOR_GRAY2RGB)
    elif not isinstance(image, np.ndarray):
        array = cv2.cvtColor(array, cv2.COLOR_BGR2RGB)
    return Decode(np.ascontiguousarray(array), "greyscale" if grey else "")


@functools.cache
def _quieten() -> None:
    """Silence OpenCV's warnings about damaged images, which are counted and named here."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def size_claimed(image: bytes) -> tuple[int, int]:
    """Return width and height as the header says, zeros if the header cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(image)) as opened:
            return opened.width, opened.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0, 0
