"""From marks to a product photograph: frame, view, background, light, occlusion, noise and JPEG traces.

Drawn at twice the final size and averaged down. H W pixels, P points of all marks together.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.data.drawing.marks import RGB, Mark, Paint, between, chance, one_of

WIDTH, HEIGHT = 60, 80
_SCALE = 2
_SHIFT = 4  # fractional bits of cv2's coordinates
_Y_HW, _X_HW = np.mgrid[0 : HEIGHT * _SCALE, 0 : WIDTH * _SCALE].astype(np.float32)
_RAMP_X_HW3 = np.repeat((_X_HW / WIDTH / _SCALE * 2 - 1)[..., None], 3, 2)  # -1 left to 1 right
_RAMP_Y_HW3 = np.repeat((_Y_HW / HEIGHT / _SCALE * 2 - 1)[..., None], 3, 2)  # -1 top to 1 bottom
_LABEL_RGBS = ((250, 250, 250), (220, 40, 50), (40, 40, 40), (245, 205, 60), (60, 110, 190))


def photograph(marks: Sequence[Mark], g: np.random.Generator) -> np.ndarray:
    """Return uint8 [80, 60, 3] RGB: the marks in a random view on a random background.

    `g` decides everything besides the marks; the same generator state gives the same picture.
    """
    image_HW3 = _background(g)
    points, widths = _in_view(marks, g)
    if chance(g, 0.5):
        _shadow(image_HW3, [p for p, m in zip(points, marks, strict=True) if m.framed], g)
    textures: dict[Paint, np.ndarray] = {}
    for mark, points_K2, width in zip(marks, points, widths, strict=True):
        _draw(image_HW3, mark.paint, points_K2, width, textures)
    _light(image_HW3, g)
    if chance(g, 0.22):
        _occlude(image_HW3, g)
    return _camera(image_HW3, g)


def _background(g: np.random.Generator) -> np.ndarray:
    """Return the empty canvas: mostly white studio paper, sometimes a tint, a wall with a floor, or a gradient."""
    kind = float(g.random())
    level = int(between(g, (236, 256))) if kind < 0.6 else int(between(g, (150, 240)))
    tint = [int(between(g, (-14, 15))) if kind >= 0.6 else 0 for _ in range(3)]
    image_HW3 = _filled([level + t for t in tint])
    if kind > 0.85:
        floor = int(between(g, (0.6, 0.95)) * image_HW3.shape[0])
        tone = [min(255, max(0, level + t + int(between(g, (-60, 30))))) for t in tint]
        cv2.rectangle(image_HW3, (0, floor), (WIDTH * _SCALE, HEIGHT * _SCALE), tone, -1)
    return image_HW3


def _filled(rgb: Sequence[int]) -> np.ndarray:
    """Return a canvas of one colour (cv2 fills three times faster than NumPy's broadcasting)."""
    image_HW3 = np.empty((HEIGHT * _SCALE, WIDTH * _SCALE, 3), np.uint8)
    cv2.rectangle(image_HW3, (0, 0), (WIDTH * _SCALE, HEIGHT * _SCALE), [min(255, max(0, c)) for c in rgb], -1)
    return image_HW3


def _in_view(marks: Sequence[Mark], g: np.random.Generator) -> tuple[list[np.ndarray], list[float]]:
    """Return the marks' points in canvas pixels and their line widths: fitted to the frame, then tilted and moved."""
    framed_P2 = np.concatenate([m.points_K2 for m in marks if m.framed])
    low_2, high_2 = framed_P2.min(0), framed_P2.max(0)
    room_2 = np.array([WIDTH * 0.92, HEIGHT * 0.92]) * _SCALE
    fit = float((room_2 / np.maximum(high_2 - low_2, 1e-6)).min()) * between(g, (0.72, 1.12))
    slope = between(g, (-0.2, 0.2)) if chance(g, 0.6) else 0.0
    flip = -1.0 if chance(g, 0.5) else 1.0
    squeeze = between(g, (0.88, 1.1))
    cos = 1.0 / (1.0 + slope * slope) ** 0.5
    turn_22 = np.array([[cos, -slope * cos], [slope * cos, cos]]) @ np.diag([flip * squeeze, 1.0]) * fit
    centre_2 = np.array([WIDTH, HEIGHT]) * _SCALE / 2 + (between(g, (-9, 9)), between(g, (-11, 11)))
    all_P2 = (np.concatenate([m.points_K2 for m in marks]) - (low_2 + high_2) / 2) @ turn_22.T + centre_2
    ends = np.cumsum([len(m.points_K2) for m in marks])[:-1]
    return np.split(all_P2, ends), [m.width * fit for m in marks]


def _fixed(points_K2: np.ndarray) -> np.ndarray:
    """Return cv2's fixed-point coordinates, int32 [K, 2]."""
    return np.rint(points_K2 * (1 << _SHIFT)).astype(np.int32)


def _draw(
    image_HW3: np.ndarray, paint: Paint, points_K2: np.ndarray, width: float, textures: dict[Paint, np.ndarray]
) -> None:
    """Draw one mark in place."""
    fixed = _fixed(points_K2)
    if width:
        cv2.polylines(image_HW3, [fixed], False, paint.rgb, max(1, round(width)), cv2.LINE_AA, _SHIFT)
        return
    if paint.pattern == "plain":
        cv2.fillPoly(image_HW3, [fixed], paint.rgb, cv2.LINE_AA, _SHIFT)
    else:
        if paint not in textures:
            textures[paint] = _texture(paint)
        mask_HW = np.zeros(image_HW3.shape[:2], np.uint8)
        cv2.fillPoly(mask_HW, [fixed], 255, cv2.LINE_8, _SHIFT)
        cv2.copyTo(textures[paint], mask_HW, image_HW3)
    edge = tuple(int(c * 0.74) for c in paint.rgb)
    cv2.polylines(image_HW3, [fixed], True, edge, 1, cv2.LINE_AA, _SHIFT)


def _texture(paint: Paint) -> np.ndarray:
    """Return the paint's pattern over the whole canvas, uint8 [H, W, 3]."""
    image_HW3 = _filled(paint.rgb)
    if paint.pattern in ("dots", "floral"):
        _spots(image_HW3, paint)
        return image_HW3
    across_HW = _X_HW + paint.angle * _Y_HW + paint.phase
    down_HW = _Y_HW - paint.angle * _X_HW + paint.phase
    inked_HW = np.mod(across_HW, paint.period) < paint.period * 0.42
    if paint.pattern == "checks":
        inked_HW |= np.mod(down_HW, paint.period) < paint.period * 0.3
    cv2.copyTo(_filled(paint.second), inked_HW.view(np.uint8), image_HW3)
    return image_HW3


def _spots(image_HW3: np.ndarray, paint: Paint) -> None:
    """Draw dots on a shifted grid, or blossoms of two sizes, in place."""
    step = max(6, round(paint.period))
    for row, y in enumerate(range(-(paint.phase % step), image_HW3.shape[0] + step, step)):
        for x in range(-((row * step // 2 + paint.phase) % step), image_HW3.shape[1] + step, step):
            flower = paint.pattern == "floral"
            radius = step // 4 + ((x * 7 + y * 3) % 4 if flower else 0)
            jitter = (x * 5 + y * 11) % step // 2 if flower else 0
            cv2.circle(image_HW3, (x + jitter, y + jitter), radius, paint.second, -1)


def _shadow(image_HW3: np.ndarray, outlines: Sequence[np.ndarray], g: np.random.Generator) -> None:
    """Darken the background, in place, where the product's outline would cast a shadow."""
    offset_2 = (between(g, (-5, 5)), between(g, (2, 6)))
    tone = tuple(int(c * 0.84) for c in image_HW3[0, 0].tolist())
    cv2.fillPoly(image_HW3, [_fixed(p + offset_2) for p in outlines[:8]], tone, cv2.LINE_AA, _SHIFT)


def _light(image_HW3: np.ndarray, g: np.random.Generator) -> None:
    """Apply exposure and a sloping light, in place."""
    gain, slope_x, slope_y = between(g, (0.82, 1.08)), between(g, (-0.22, 0.22)), between(g, (-0.16, 0.16))
    light_HW3 = cv2.addWeighted(_RAMP_X_HW3, slope_x, _RAMP_Y_HW3, slope_y, gain)
    cv2.multiply(image_HW3, light_HW3, image_HW3, dtype=cv2.CV_8U)


def _occlude(image_HW3: np.ndarray, g: np.random.Generator) -> None:
    """Put a label, a banner or something in front of the lens, in place."""
    height, width = image_HW3.shape[:2]
    rgb: RGB = one_of(g, _LABEL_RGBS)
    w, h = int(between(g, (0.2, 0.6)) * width), int(between(g, (0.1, 0.3)) * height)
    x, y = int(between(g, (-0.1, 0.9)) * width), int(between(g, (0.0, 0.95)) * height)
    cv2.rectangle(image_HW3, (x, y), (x + w, y + h), rgb, -1)
    ink = 40 if sum(rgb) > 380 else 240
    for k in range(1, 4):
        cv2.line(image_HW3, (x + 4, y + k * h // 4), (x + w - 4 * k, y + k * h // 4), (ink, ink, ink), 2)


def _camera(image_HW3: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """Return uint8 [80, 60, 3]: averaged down, sometimes blurred, with pixel noise and JPEG traces."""
    if chance(g, 0.3):
        image_HW3 = cv2.blur(image_HW3, (3, 3) if chance(g, 0.6) else (5, 5))
    small_HW3 = cv2.resize(image_HW3, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    spread = int(between(g, (1, 14)))
    noise_HW3: np.ndarray = g.integers(-spread, spread + 1, (HEIGHT, WIDTH, 3), dtype=np.int16)
    noisy_HW3 = cv2.add(small_HW3, noise_HW3, dtype=cv2.CV_8U)
    _, coded = cv2.imencode(".jpg", noisy_HW3, [cv2.IMWRITE_JPEG_QUALITY, int(between(g, (45, 96)))])
    # channels go in and come out in the same order, so that RGB stays RGB
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
