"""Minority pipelines: bits depend on image, strength and seed alone; strength 0 touches nothing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.training.batching.augment import LEVELS, Augmenter

STRENGTHS = (0.0, 0.05, 0.5, 1.0)


def picture(size: int) -> np.ndarray:
    """Return uint8 [size, size, 3]: a disc on a gradient."""
    y_HW, x_HW = np.mgrid[:size, :size] / size
    disc_HW = np.where((x_HW - 0.5) ** 2 + (y_HW - 0.5) ** 2 < 0.1, 40, 220)
    return np.stack([disc_HW, 240 * y_HW, 240 * x_HW], axis=-1).astype(np.uint8)


def digest(augmenter: Augmenter, seeds: list[int]) -> str:
    """Hash the augmented pictures of all strengths and seeds, in order of seed whatever order they are made in."""
    image_HWC = picture(augmenter.image_size)
    made = {s: b"".join(augmenter.apply(image_HWC, strength, s).tobytes() for strength in STRENGTHS) for s in seeds}
    return hashlib.sha256(b"".join(made[s] for s in sorted(made))).hexdigest()


@pytest.fixture(scope="module")
def augmenter() -> Augmenter:
    return Augmenter(STRENGTHS, 32)


def test_history_and_thread_change_no_bit(augmenter: Augmenter) -> None:
    seeds = list(range(40))
    expected = digest(augmenter, seeds)
    assert digest(augmenter, seeds[::-1]) == expected, "the order of images"
    assert digest(Augmenter(STRENGTHS, 32), seeds) == expected, "what was made before"
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: digest(augmenter, seeds), range(8))) == {expected}


def test_opencvs_threads_change_no_bit() -> None:
    before, digests = cv2.getNumThreads(), set()
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            digests.add(digest(Augmenter(STRENGTHS, 224), [1, 2, 3, 4]))
    finally:
        cv2.setNumThreads(before)
    assert len(digests) == 1


def test_global_generators_are_left_alone(augmenter: Augmenter) -> None:
    state = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    digest(augmenter, [1, 2, 3])
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("size", [8, 32, 64])
def test_every_level_keeps_shape_and_type_and_leaves_its_input_alone(size: int) -> None:
    augmenter = Augmenter((1.0,), size)
    image_HWC = picture(size)
    before_HWC = image_HWC.copy()
    for level in range(1, LEVELS + 1):
        for seed in (0, 1, 2**62):
            made_HWC = augmenter.apply(image_HWC, level / LEVELS, seed)
            assert made_HWC.shape == image_HWC.shape
            assert made_HWC.dtype == np.uint8
    assert (image_HWC == before_HWC).all()
    assert augmenter.apply(image_HWC, 0.0, 3) is image_HWC


def test_seeds_differ_and_strength_grows_the_change(augmenter: Augmenter) -> None:
    image_HWC = picture(32)
    assert len({augmenter.apply(image_HWC, 1.0, seed).tobytes() for seed in range(50)}) == 50
    change = [
        np.mean([np.abs(augmenter.apply(image_HWC, s, seed).astype(float) - image_HWC).mean() for seed in range(60)])
        for s in (0.125, 0.5, 1.0)
    ]
    assert 1 < change[0] < 0.7 * change[1]
    assert change[1] < 0.8 * change[2]
    assert change[2] < 80, "the image must stay recognisable"


def test_a_batch_is_its_images_and_strength_0_is_untouched(augmenter: Augmenter) -> None:
    rng = np.random.default_rng(0)
    images_BHWC = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    before_BHWC = images_BHWC.copy()
    strengths_B = np.array([0.0, 1.0, 0.0, 0.3, 1.0, 0.0])
    seeds_B = np.arange(6, dtype=np.int64) + 2**40
    made_BHWC = augmenter.augment_batch(images_BHWC, strengths_B, seeds_B)
    for b in range(6):
        expected_HWC = augmenter.apply(images_BHWC[b], strengths_B[b], int(seeds_B[b]))
        assert (made_BHWC[b] == expected_HWC).all()
        assert (made_BHWC[b] == images_BHWC[b]).all() == (strengths_B[b] == 0)
    assert (images_BHWC == before_BHWC).all()
    assert augmenter.augment_batch(images_BHWC, np.zeros(6), seeds_B) is images_BHWC


def test_a_pipelines_draws_are_not_tied_to_each_other(augmenter: Augmenter) -> None:
    """One stream for all transforms: whether the hole is drawn says nothing about where the image is moved."""
    pipeline = augmenter.pipeline(LEVELS)
    image_HWC, holes, shifts = picture(32), [], []
    for seed in range(400):
        augmenter.apply(image_HWC, 1.0, seed)
        affine, *_, hole = pipeline.transforms
        shifts.append(affine.params["matrix"][0, 2])
        holes.append(bool(hole.params))
    assert abs(np.corrcoef(shifts, holes)[0, 1]) < 0.2
    assert 0.4 < np.mean(holes) < 0.6


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_strengths_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        Augmenter((0.0, bad), 32)


def test_another_process_makes_the_same_bits_and_the_import_calls_no_network(
    augmenter: Augmenter, repository: Path
) -> None:
    code = (
        "import random, socket, sys, numpy\n"
        "def refuse(*a, **k): raise SystemExit('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "numpy.random.seed(7); random.seed(7)\n"
        "from tests.training.batching.test_augment import Augmenter, STRENGTHS, digest\n"
        "assert 'albumentations' not in sys.modules\n"
        "print(digest(Augmenter(STRENGTHS, 32), list(range(40))))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    environment |= {"PYTHONPATH": str(repository), "PYTHONHASHSEED": "3"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert result.stdout.strip() == digest(augmenter, list(range(40))), result.stderr
