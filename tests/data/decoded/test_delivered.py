"""Decoded images on another machine: found by their hash, written once, never wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data.base import Loaded
from benchmarks.data.decoded import delivered
from benchmarks.data.load import load


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return load("digits", size=32, cache=tmp_path / "here")


def _none() -> Iterator[np.ndarray]:
    raise AssertionError("sent although it is there")
    yield


def test_what_is_not_there_is_written_from_pieces_and_found_from_then_on(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivered, "PIECE_BYTES", 10_000)  # three images
    wanted, there = delivered.manifest(loaded), tmp_path / "there" / "decoded"
    assert delivered.find(there, wanted) is None
    pieces = wanted.pieces()
    assert pieces[:2] == [(0, 3), (3, 6)]
    got = delivered.find_or_write(there, wanted, (loaded.images_NHWC[a:b] for a, b in pieces))
    assert np.array_equal(got, loaded.images_NHWC)
    assert isinstance(got, np.memmap)
    assert np.array_equal(delivered.find_or_write(there, wanted, _none()), got)
    # a run on that machine finds it as its own
    again = load("digits", size=32, cache=tmp_path / "there", advance=lambda *_: pytest.fail("decoded again"))
    assert again.fingerprint == loaded.fingerprint


def test_the_same_pixels_are_found_under_whatever_name_they_were_decoded(loaded: Loaded, tmp_path: Path) -> None:
    wanted = delivered.manifest(loaded)
    shutil.copytree(wanted.file.parent, tmp_path / "there" / "folder-32-other-name")
    assert np.array_equal(delivered.find_or_write(tmp_path / "there", wanted, _none()), loaded.images_NHWC)


def test_pieces_that_are_not_what_was_wanted_leave_nothing(loaded: Loaded, tmp_path: Path) -> None:
    wanted = delivered.manifest(loaded)
    with pytest.raises(ValueError, match="not those that were sent"):
        delivered.find_or_write(tmp_path / "there", wanted, iter([np.zeros_like(loaded.images_NHWC)]))
    assert delivered.find(tmp_path / "there", wanted) is None
    assert not [path for path in (tmp_path / "there").iterdir() if path.is_dir()]
