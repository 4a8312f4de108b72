"""Long-tailed CIFAR from small files in the real format: counts, pixels, checksums, and a real run of the suites."""

from __future__ import annotations

import hashlib
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cli import main
from benchmarks.data import cifar
from benchmarks.data.cifar import EDITIONS
from benchmarks.data.load import load
from benchmarks.support.errors import UserError


def write(folder: Path, name: str, per_class: int, test_per_class: int = 2) -> Path:
    """Write a data set in the binary format whose pixels tell row, channel and place; return its folder."""
    edition = EDITIONS[name]
    place = folder / edition.folder
    place.mkdir(parents=True)
    classes = 10 if name == "cifar10" else 100
    (place / edition.names).write_text("\n".join(f"class {c}" for c in range(classes)) + "\n\n")
    files = len(edition.train)
    for file, rows in [*((f, per_class // files) for f in edition.train), (edition.test, test_per_class)]:
        labels_N = np.tile(np.arange(classes, dtype=np.uint8), rows)
        pixels_NK = np.zeros((len(labels_N), 3, 32, 32), dtype=np.uint8)
        pixels_NK[:, 0], pixels_NK[:, 1, :, 5], pixels_NK[:, 2, 7] = labels_N[:, None, None], 200, 100
        coarse = [labels_N[:, None] // 5] if edition.label_bytes == 2 else []
        records = np.concatenate([*coarse, labels_N[:, None], pixels_NK.reshape(len(labels_N), -1)], axis=1)
        (place / file).write_bytes(records.astype(np.uint8).tobytes())
    return place


@pytest.mark.parametrize(("name", "per_class", "ratio"), [("cifar10", 100, 100), ("cifar100", 20, 10)])
def test_counts_follow_the_formula_and_the_test_part_is_whole(
    tmp_path: Path, name: str, per_class: int, ratio: int
) -> None:
    source = cifar.open_source(name, write(tmp_path, name, per_class), imbalance=ratio)
    counts = Counter(label for label, trains in zip(source.labels, source.train, strict=True) if trains)
    classes = 10 if name == "cifar10" else 100
    assert counts == {f"class {i}": int(per_class * (1 / ratio) ** (i / (classes - 1))) for i in range(classes)}
    tested = Counter(label for label, trains in zip(source.labels, source.train, strict=True) if not trains)
    assert tested == {f"class {i}": 2 for i in range(classes)}


def test_the_real_files_give_the_literatures_counts() -> None:
    assert cifar.training_rows(5000, 10, 100) == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    rows = cifar.training_rows(500, 100, 100)
    assert (rows[0], rows[-1], sum(rows)) == (500, 5, 10847)


def test_pixels_and_labels_are_the_files_own(tmp_path: Path) -> None:
    source = cifar.open_source("cifar100", write(tmp_path, "cifar100", 4), imbalance=2)
    for row in range(0, len(source.ids), 37):
        image_HW3 = source.read(row)
        assert isinstance(image_HW3, np.ndarray)
        assert (image_HW3.shape, image_HW3.dtype) == ((32, 32, 3), np.uint8)
        assert f"class {image_HW3[0, 0, 0]}" == source.labels[row]
        assert (image_HW3[:, 5, 1] == 200).all() and (image_HW3[7, :, 2] == 100).all()
        assert image_HW3[..., 1].sum() == 200 * 32


def test_the_seed_decides_which_rows_train_and_nothing_else(tmp_path: Path) -> None:
    place = write(tmp_path, "cifar10", 50)
    one, again, other = (cifar.open_source("cifar10", place, seed=seed) for seed in (1, 1, 2))
    assert one.ids == again.ids and one.stamp == again.stamp
    assert one.ids != other.ids and one.stamp != other.stamp
    assert Counter(one.labels) == Counter(other.labels)
    assert len(set(one.ids)) == len(one.ids)


def test_the_archive_is_read_as_it_is_once_its_md5_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write(tmp_path, "cifar10", 50)
    archive = tmp_path / "with archive" / EDITIONS["cifar10"].archive
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(place, place.name)
    with pytest.raises(UserError, match="has the MD5 .*, the published cifar-10-binary.tar.gz c32a1d4a"):
        cifar.open_source("cifar10", archive)
    right = replace(EDITIONS["cifar10"], md5=hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setitem(EDITIONS, "cifar10", right)
    unpacked = cifar.open_source("cifar10", tmp_path)
    for path in (archive, archive.parent):
        packed_one = cifar.open_source("cifar10", path)
        assert packed_one.ids == unpacked.ids
        np.testing.assert_array_equal(packed_one.read(3), unpacked.read(3))
    assert "not checked" in unpacked.origin and "not checked" not in packed_one.origin


@pytest.mark.parametrize("what", ["cut", "label", "absent", "pickled", "imbalance"])
def test_what_is_no_data_set_is_refused_in_a_sentence(tmp_path: Path, what: str) -> None:
    place = write(tmp_path, "cifar10", 50)
    batch = place / "data_batch_3.bin"
    said = {
        "cut": "data_batch_3.bin has .* no multiple of 3073",
        "label": "has the label 250, but there are 10 classes",
        "absent": "holds no cifar-10-binary.tar.gz and no cifar-10-batches-bin",
        "pickled": "pickled version is not read",
        "imbalance": "imbalance is 0.5",
    }
    if what == "cut":
        batch.write_bytes(batch.read_bytes()[:-1])
    elif what == "label":
        batch.write_bytes(b"\xfa" + batch.read_bytes()[1:])
    elif what in ("absent", "pickled"):
        batch.unlink()
        (tmp_path / "cifar-10-batches-py").mkdir() if what == "pickled" else None
    with pytest.raises(UserError, match=said[what]) as error:
        cifar.open_source("cifar10", tmp_path, imbalance=0.5 if what == "imbalance" else 100)
    assert "\n" not in str(error.value)


def test_it_loads_at_its_own_size_without_a_change(tmp_path: Path) -> None:
    loaded = load("cifar10", path=write(tmp_path, "cifar10", 100), size=32, cache=tmp_path / "cache", options={})
    assert loaded.class_names[:2] == ("class 0", "class 1")
    assert loaded.images_NHWC.shape[1:] == (32, 32, 3)
    assert (loaded.images_NHWC[:, 0, 0, 0] == loaded.labels_N).all()


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_suites_run_on_small_files(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, name, 100 if name == "cifar10" else 12, 1)
    text = (repository / "benchmarks" / "suites" / f"{name}-lt.toml").read_text()
    shorter = text.replace("all = 200", "all = 1").replace(
        "imbalance = 100", f"imbalance = {100 if name == 'cifar10' else 6}"
    )
    assert shorter != text
    Path(f"{name}-lt.toml").write_text(shorter)
    asked = ["--data", ".", "--seeds", "1", "--device", "cpu", "--threads", "1", "--backbone"]
    small = "resnet32" if name == "cifar10" else "test_resnet"  # a hundred classes are enough work
    assert main(["run", "--suite", f"{name}-lt.toml", "--strategy", "ldam+drw", *asked, small]) == 0
    assert "ldam+drw" in capsys.readouterr().out
    assert main(["data", "info", name, "--data", "."]) == 0
    assert "long-tailed at ratio 100" in capsys.readouterr().out
    assert main(["plan", "--suite", f"{name}-lt", *asked, "resnet32"]) == 0
    assert "160..200" in capsys.readouterr().out
