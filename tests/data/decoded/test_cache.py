from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.data.base import Source
from benchmarks.data.decoded import cache
from benchmarks.data.decoded.cache import decode
from benchmarks.data.decoded.pixels import decode_image
from benchmarks.support.errors import UserError


def source(images: list[Any], **changes: Any) -> Source:
    n = len(images)
    fields: dict[str, Any] = {
        "name": "folder",
        "ids": tuple(map(str, range(n))),
        "labels": tuple("ab"[i % 2] for i in range(n)),
        "train": np.arange(n) % 3 > 0,
        "texts": None,
        "read": images.__getitem__,
        "stamp": "1",
        "origin": "here",
    }
    return Source(**(fields | changes))


def never(row: int) -> bytes:
    raise AssertionError("read again")


def claiming(width: int, height: int) -> bytes:
    """Return a PNG whose header claims this size and which holds them where they are within reason."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(min((width + 1) * height, 10**8))))
        + chunk(b"IEND", b"")
    )


def test_a_damaged_image_prints_nothing(image: Callable[..., bytes], capfd: pytest.CaptureFixture[str]) -> None:
    assert decode_image(image(0)[:60], 16).problem == "unreadable"
    assert capfd.readouterr().err == ""


def test_pixels_are_rgb_and_resized_by_area(image: Callable[..., bytes], tmp_path: Path) -> None:
    array = np.zeros((32, 16, 3), dtype=np.uint8)
    array[:16, :, 0], array[16:, :, 2] = 200, 100
    decoded = decode(source([array, image(1, 32, 32)]), 16, tmp_path)
    first = decoded.images_NHWC[0]
    assert first.shape == (16, 16, 3)
    assert (first[:8] == [200, 0, 0]).all()
    assert (first[8:] == [0, 0, 100]).all()
    original = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    means = original.reshape(16, 2, 16, 2, 3).astype(np.float64).mean(axis=(1, 3))
    assert np.abs(decoded.images_NHWC[1] - means).max() <= 0.5


def test_the_second_start_reads_no_image(image: Callable[..., bytes], tmp_path: Path) -> None:
    images = [image(i) for i in range(100)]
    seen: list[tuple[int, int]] = []
    first = decode(source(images), 16, tmp_path, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (100, 100)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    again = decode(source(images, read=never), 16, tmp_path, lambda done, total: pytest.fail("decoded again"))
    np.testing.assert_array_equal(again.images_NHWC, first.images_NHWC)
    assert again.meta == first.meta
    assert not again.images_NHWC.flags.writeable
    # the file is what its name says
    np.testing.assert_array_equal(np.load(next(tmp_path.glob("*/images.npy"))), first.images_NHWC)


@pytest.mark.parametrize("change", [{"stamp": "2"}, {"labels": ("a",) * 4}, {"texts": ("x",) * 4}, {"name": "digits"}])
def test_another_source_is_decoded_anew(image: Callable[..., bytes], tmp_path: Path, change: dict[str, Any]) -> None:
    decode(source([image(0)] * 4), 16, tmp_path)
    decoded = decode(source([image(1)] * 4, **change), 16, tmp_path)
    np.testing.assert_array_equal(decoded.images_NHWC, decode(source([image(1)] * 4), 16, tmp_path / "b").images_NHWC)


def test_missing_damaged_and_greyscale_images(image: Callable[..., bytes], tmp_path: Path) -> None:
    grey = np.full((9, 9), 77, dtype=np.uint8)
    whole = image(3, kind="JPEG")
    images = [None, image(1), b"", b"not an image", whole[: len(whole) // 2], grey, image(2, kind="WEBP")]

    def read(row: int) -> Any:
        if row == 6:
            raise OSError("the disk is gone")
        return images[row]

    decoded = decode(source(images, read=read), 8, tmp_path)
    assert decoded.kept_N.tolist() == [1, 5]
    meta = decoded.meta
    assert (meta.missing, meta.unreadable, meta.greyscale) == (1, 4, 1)
    assert (decoded.images_NHWC[1] == 77).all()


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (8_000, 7_000), (2**31 - 1, 1)])
def test_an_image_beyond_fifty_million_pixels_is_not_decoded(width: int, height: int) -> None:
    assert decode_image(claiming(width, height), 16).problem == "unreadable"
    assert decode_image(claiming(800, 700), 16).problem == "greyscale"


def test_no_image_at_all_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No image of here can be read.*2 missing, 1 unreadable"):
        decode(source([None, None, b"x"]), 16, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 7, 5000])
def test_sizes_out_of_range_are_refused(size: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="from 8 to 1024"):
        decode(source([None]), size, tmp_path)


def _cut(place: Path) -> None:
    os.truncate(place / "images.npy", 2000)


def _cut_meta(place: Path) -> None:
    os.truncate(place / "meta.json", 40)


def _lose(place: Path) -> None:
    (place / "images.npy").unlink()


def _lie(place: Path) -> None:
    meta = json.loads((place / "meta.json").read_text())
    (place / "meta.json").write_text(json.dumps({**meta, "dropped": []}))


def _other(place: Path) -> None:
    np.save(place / "images.npy", np.zeros((3, 16, 16, 3), dtype=np.float32))


@pytest.mark.parametrize("damage", [_cut, _cut_meta, _lose, _lie, _other])
def test_a_damaged_cache_is_built_again(
    image: Callable[..., bytes], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    images = [image(0), None, image(1), image(2)]
    before = decode(source(images), 16, tmp_path)
    expected = np.array(before.images_NHWC)
    damage(next(tmp_path.iterdir()))
    again = decode(source(images), 16, tmp_path)
    np.testing.assert_array_equal(again.images_NHWC, expected)
    assert again.meta == before.meta
    assert [path.name[0] for path in tmp_path.iterdir()] == ["f"]


def test_an_interrupted_build_leaves_nothing_and_a_killed_one_is_swept(
    image: Callable[..., bytes], tmp_path: Path
) -> None:
    left = tmp_path / ".building-killed"
    left.mkdir()
    (left / "images.npy").write_bytes(b"x")
    for path in (left / "images.npy", left):
        os.utime(path, (0, 0))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(source([image(0)] * 50), 16, tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


BUILDER = """
import sys, hashlib
from pathlib import Path
import numpy as np
from benchmarks.data.base import Source
from benchmarks.data.decoded.cache import decode
images = [np.random.default_rng(i).integers(0, 256, (24, 24, 3), dtype=np.uint8) for i in range(400)]
ids = tuple(map(str, range(400)))
source = Source("folder", ids, ("a",) * 400, np.ones(400, bool), None, images.__getitem__, "s", "")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(5):
    decoded = decode(source, 32, Path(sys.argv[1]))
    assert hashlib.sha256(np.array(decoded.images_NHWC).tobytes()).hexdigest() == decoded.meta.pixels
    # what a second start of a damaged cache does, while the others build
    (next(Path(sys.argv[1]).glob("folder-*")) / "meta.json").unlink(missing_ok=True)
print("done")
"""


def test_several_processes_build_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILDER, str(tmp_path)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = [process.communicate("go\n", timeout=60) for process in processes]
    finished = [answer[0] == "done\n" for answer in answers]
    # one whose cache the others spoil while it opens it says so in a sentence; none reads torn pixels
    assert all(done or "changed while they were read" in said[1] for done, said in zip(finished, answers, strict=True))
    assert any(finished)
    assert not list(tmp_path.glob(".building-*"))


def test_a_cache_that_cannot_be_written(tmp_path: Path, image: Callable[..., bytes]) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written .*BENCHMARKS_CACHE"):
        decode(source([image(0)]), 16, tmp_path / "file" / "cache")


def test_blocks_and_parts_join_in_order(image: Callable[..., bytes], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cache, "BLOCK", 10)
    monkeypatch.setattr(cache, "PART", 3)
    arrays = [np.full((8, 8, 3), i, dtype=np.uint8) for i in range(37)]
    decoded = decode(source(arrays), 8, tmp_path)
    assert decoded.images_NHWC[:, 0, 0, 0].tolist() == list(range(37))
