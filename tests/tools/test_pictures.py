"""Pictures of a dataset: as many rows as classes, their names as text, and images of each class."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.data.base import Loaded
from benchmarks.support.errors import UserError
from benchmarks.tools import pictures


def loaded(rows: list[int], names: list[str]) -> Loaded:
    """Return so many rows of each class, every third for the test, each class of one colour."""
    labels_N = np.repeat(np.arange(len(rows)), rows)
    images_NHWC = np.tile((labels_N % 200 + 30).astype(np.uint8)[:, None, None, None], (1, 8, 8, 3))
    return Loaded(
        "folder", tuple(map(str, range(len(labels_N)))), None, "here", (), images_NHWC, labels_N, tuple(names),
        np.arange(len(labels_N)) % 3 > 0, "0", 8,
    )  # fmt: skip


def test_both_pictures_show_every_class(tmp_path: Path) -> None:
    names = ["<b>cat</b>", "$dog$", "été"]
    svg, png = pictures.draw(loaded([90, 20, 2], names), tmp_path / "new")
    assert svg.read_text().startswith("<svg")
    texts = {text.text for text in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert {*names, "training rows", "test rows"} <= texts
    image = np.asarray(Image.open(png))
    step = pictures.IMAGE_PX + 4
    assert image.shape[0] == 3 * step + 4
    middles = [[tuple(image[4 + 32 + step * k, -step * (12 - c) + 32]) for c in (0, 2, 11)] for k in range(3)]
    white = (255, 255, 255)
    assert middles == [[(30,) * 3] * 3, [(31,) * 3] * 3, [(32,) * 3, white, white]]


def test_of_very_many_classes_the_largest_and_smallest_are_shown(tmp_path: Path) -> None:
    svg, png = pictures.draw(loaded([2] * 300, [f"class {c}" for c in range(300)]), tmp_path)
    shown = re.findall(r">class (\d+)<", svg.read_text())
    assert list(map(int, shown)) == [*range(80), *range(220, 300)]
    assert "140 classes in the middle left out" in svg.read_text()
    assert Image.open(png).height < 160 * 80


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file cannot be written"):
        pictures.draw(loaded([3, 3], ["a", "b"]), tmp_path / "file")
