"""What may be wrong with a folder of images is found by name, once, and said at the first load."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.cli import main
from benchmarks.data import load
from benchmarks.data.checks import alike
from benchmarks.data.checks.check import Check, Finding, stored
from benchmarks.data.layouts.tables.table import SECOND_LABEL


def drawn(seed: int) -> np.ndarray:
    """Return smooth shapes, as photographs have them, uint8 [60, 80, 3]."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((80, 60), Image.Resampling.BICUBIC))


def coded(image: np.ndarray, kind: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def tree(root: Path) -> dict[str, bytes]:
    """Return eight images of two classes in train/, and five test images of each."""
    parts = {"train": 8, "test": 5}
    return {
        f"{part}/{label}/{i}.png": coded(drawn(1000 * k + 100 * m + i))
        for k, label in enumerate(("cat", "dog"))
        for m, (part, count) in enumerate(parts.items())
        for i in range(count)
    }


def found(root: Path, cache: Path) -> Check:
    return load.checked("folder", path=root, size=32, cache=cache)[1]


def test_every_problem_is_named_once(tmp_path: Path) -> None:
    files = tree(tmp_path)
    files["test/dog/copy.png"] = files["train/cat/0.png"]  # another class and the other part
    files["train/cat/again.png"] = files["train/cat/1.png"]  # harmless
    files["test/cat/smaller.jpg"] = coded(
        np.asarray(Image.fromarray(drawn(2)).resize((64, 48))), "JPEG", quality=85
    )  # of train/cat/2.png
    files["train/dog/bad.jpg"] = b"\xff\xd8\xff no"
    files["train/Cat/0.png"] = coded(drawn(5000))
    files["train/caf\u00e9/0.png"], files["test/cafe\u0301/0.png"] = coded(drawn(5001)), coded(drawn(5002))
    root = put(tmp_path / "images", files)
    check = found(root, tmp_path)
    assert {problem.what: problem.places for problem in check.problems} == {
        "unreadable images, left out": ("train/dog/bad.jpg (dog)",),
        "images in two classes, the same file": ("train/cat/0.png (cat) = test/dog/copy.png (dog)",),
        "test images that are training images too, the same file": ("test/dog/copy.png (dog) = train/cat/0.png (cat)",),
        "pairs of a test image and nearly the same training image": (
            "test/cat/smaller.jpg (cat) = train/cat/2.png (cat)",
        ),
        "groups of classes whose names differ in case, spaces or Unicode form alone": (
            "'Cat' (1 images), 'cat' (15 images)",
            f"{unicodedata.normalize('NFD', 'café')!r} (1 images), 'café' (1 images)",
        ),
        "classes with fewer than 5 images": ("Cat (1)", "cafe\u0301 (1)", "caf\u00e9 (1)"),
    }
    assert check.facts[0] == "Most frequent size 80 x 60 pixels (31 images), smallest 64 x 48, largest 80 x 60."


def test_the_first_load_says_it_and_later_ones_count_it(tmp_path: Path) -> None:
    files = tree(tmp_path)
    files["test/dog/copy.png"] = files["train/cat/0.png"]
    root, said = put(tmp_path / "images", files), list[str]()
    first = load.load("folder", path=root, size=32, cache=tmp_path / "cache", say=said.append)
    assert said[0].startswith("Images in two classes, the same file: 1 (train/cat/0.png (cat) = ")
    assert ("images in two classes, the same file", 1) in first.notes
    said.clear()
    again = load.load("folder", path=root, size=32, cache=tmp_path / "cache", say=said.append)
    assert (said, again.notes, again.fingerprint) == ([], first.notes, first.fingerprint)
    (folder,) = (tmp_path / "cache" / "decoded").iterdir()
    (folder / "check.json").write_text('{"version": 1, "problems": [{}], "facts": []}')
    assert stored(folder) is None
    assert len(load.load("folder", path=root, size=32, cache=tmp_path / "cache").notes) == len(first.notes) - 2
    again = load.load("folder", path=root, size=32, cache=tmp_path / "cache", say=said.append)
    assert said and again.notes == first.notes


def test_strict_is_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = tree(tmp_path)
    clean = put(tmp_path / "clean", files)
    assert main(["data", "check", "--data", str(clean), "--strict"]) == 0
    assert "No problem was found." in capsys.readouterr().out
    for i in range(3):
        files[f"train/dog/{i}.png"] = b"no image"
    broken = str(put(tmp_path / "broken", files))
    assert main(["data", "check", "--data", broken]) == 0
    assert main(["data", "check", "--data", broken, "--strict", "--most", "2"]) == 1
    shown = capsys.readouterr().out
    assert shown.endswith(
        "Unreadable images, left out: 3\n  train/dog/0.png (dog)\n  train/dog/1.png (dog)\n  and 1 more\n"
    )


def test_a_path_with_two_labels_in_a_csv(tmp_path: Path) -> None:
    files = {f"{i}.png": coded(drawn(i)) for i in range(10)}
    rows = [f"{name},{'ab'[i % 2]}" for i, name in enumerate(files)]
    files["list.csv"] = "\n".join(["path,label", *rows, "0.png,a", "0.png,b"]).encode()
    root = put(tmp_path / "images", files)
    check = found(root / "list.csv", tmp_path)
    assert check.problems == (Finding(SECOND_LABEL, 1, ("0.png (a, then b)",), noted=True),)


def test_missing_and_unreadable_images_are_told_apart(tmp_path: Path) -> None:
    files = {f"{i}.png": coded(drawn(i)) for i in range(10)} | {"bad.png": b"x"}
    rows = [f"{name},{'ab'[i % 2]}" for i, name in enumerate((*files, "absent.png"))]
    files["list.csv"] = "\n".join(["path,label", *rows]).encode()
    check = found(put(tmp_path / "images", files) / "list.csv", tmp_path)
    assert [(problem.count, problem.places) for problem in check.problems] == [
        (1, ("bad.png (a)",)),
        (1, ("absent.png (b)",)),
    ]


def test_what_the_package_draws_is_not_checked(tmp_path: Path) -> None:
    load.load("digits", size=8, cache=tmp_path, say=lambda line: None)
    assert not list(tmp_path.rglob("check.json"))


def test_pairs_are_those_of_all_comparisons() -> None:
    random = np.random.default_rng(0)
    base = random.integers(0, 256, (40, 3, 3, 3)).repeat(6, axis=1).repeat(6, axis=2)
    noise = random.normal(0, 1, (40, 18, 18, 3)) * random.choice([0.5, 1.5, 2.5, 6.0], 40)[:, None, None, None]
    tiny = np.concatenate([base, base + noise]).clip(0, 255).astype(np.uint8)
    content, groups = np.arange(80, dtype=np.uint64), np.arange(80) // 40
    content[41] = 1
    flat = tiny.reshape(80, -1).astype(float)
    wanted = [
        (i, j)
        for i in range(80)
        for j in range(i + 1, 80)
        if groups[i] != groups[j]
        and content[i] != content[j]
        and np.sqrt(((flat[i] - flat[j]) ** 2).mean())
        < np.clip(alike.SHARE * min(flat[i].std(), flat[j].std()), alike.LEAST, alike.MOST)
    ]
    assert 10 < len(wanted) < 35
    assert alike.nearly_same(tiny, content, groups).tolist() == [list(pair) for pair in wanted]


def test_nearly_empty_images_are_not_compared_pair_by_pair() -> None:
    tiny = np.random.default_rng(0).integers(0, 2, (5000, 18, 18, 3), dtype=np.uint8)
    assert alike.nearly_same(tiny, np.arange(5000, dtype=np.uint64), np.arange(5000) % 2) is None
