"""The long-tailed digits: counts by the usual formula, a balanced test part, the images of scikit-learn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.data import digits
from tests.process import script


def test_training_rows_follow_the_formula_and_test_rows_are_balanced() -> None:
    source = digits.open_source()
    training = Counter(label for label, train in zip(source.labels, source.train, strict=True) if train)
    testing = Counter(label for label, train in zip(source.labels, source.train, strict=True) if not train)
    ratio = 1 / 40
    assert training == {str(i): int(120 * ratio ** (i / 9)) for i in range(10)}
    assert training["0"] / training["9"] == 40
    assert testing == {str(i): 50 for i in range(10)}
    assert source.texts is None


def test_no_image_is_in_both_parts_and_labels_are_scikit_learns() -> None:
    source = digits.open_source(seed=5)
    assert len(set(source.ids)) == len(source.ids)
    target = load_digits().target
    assert [str(target[int(id_)]) for id_ in source.ids] == list(source.labels)


def test_pixels_are_the_digits_enlarged() -> None:
    source = digits.open_source()
    image_HW3 = source.read(0)
    assert isinstance(image_HW3, np.ndarray)
    assert (image_HW3.shape, image_HW3.dtype) == ((32, 32, 3), np.uint8)
    small_HW = load_digits().images[int(source.ids[0])]
    averaged_HW = image_HW3[..., 1].reshape(8, 4, 8, 4).mean((1, 3)) * 16 / 255
    assert np.corrcoef(averaged_HW.ravel(), small_HW.ravel())[0, 1] > 0.97
    assert (image_HW3[..., 0] == image_HW3[..., 2]).all()


def test_the_seed_chooses_the_images_in_any_process(tmp_path: Path) -> None:
    code = "from benchmarks.data import digits; s = digits.open_source(seed=2); print(s.stamp, s.ids, s.labels)"
    run = script(tmp_path, code)
    source, other = digits.open_source(seed=2), digits.open_source(seed=3)
    assert run.stdout == f"{source.stamp} {source.ids} {source.labels}\n"
    assert other.stamp != source.stamp
    assert set(other.ids) != set(source.ids)
