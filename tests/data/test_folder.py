from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cli import main
from benchmarks.data import folder, load
from benchmarks.data.layouts.image_files import drawn_split
from benchmarks.support.errors import UserError

Draw = Callable[..., bytes]
NAMES = ["plain.png", "with space.png", 'it\'s "quoted".png', "two\nlines.jpg", "größe-図.jpeg", "comma, here.PNG"]


def put(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def table(path: Path, rows: list[list[str]], delimiter: str = ",") -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def test_a_tree_of_classes_with_any_file_names(tmp_path: Path, image: Draw) -> None:
    for i, name in enumerate(NAMES):
        put(tmp_path / "cats" / name, image(i))
        put(tmp_path / "dogs & foxes" / "deep" / name, image(i + 10))
    put(tmp_path / "cats" / "notes.txt", b"x")
    put(tmp_path / ".hidden" / "a.png", image(50))
    put(tmp_path / "stray.png", image(51))
    loaded = load.load("folder", path=tmp_path, size=8, cache=tmp_path / ".cache")
    assert sorted(loaded.ids) == sorted(
        [f"cats/{name}" for name in NAMES] + [f"dogs & foxes/deep/{name}" for name in NAMES]
    )
    assert set(loaded.class_names) == {"cats", "dogs & foxes"}
    assert (~loaded.train_N).sum() == 4
    again = load.load("folder", path=tmp_path, size=8, cache=tmp_path / ".other")
    assert again.fingerprint == loaded.fingerprint


def test_a_file_name_that_is_no_utf8(tmp_path: Path, image: Draw) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        with open(os.fsencode(tmp_path / label) + b"/\xff.png", "wb") as file:
            file.write(image(0))
    source = folder.open_source(tmp_path)
    assert source.ids == ("a/\\xff.png", "b/\\xff.png")
    assert source.read(0) == image(0)


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "val")])
def test_train_and_test_folders_are_the_split(tmp_path: Path, image: Draw, train: str, test: str) -> None:
    for i in range(3):
        put(tmp_path / train / "a" / f"{i}.png", image(i))
        put(tmp_path / train / "b" / f"{i}.png", image(i))
    put(tmp_path / test / "a" / "0.png", image(9))
    source = folder.open_source(tmp_path)
    assert dict(zip(source.ids, source.train.tolist(), strict=True)) == {
        **{f"{train}/{label}/{i}.png": True for label in "ab" for i in range(3)},
        f"{test}/a/0.png": False,
    }
    assert set(source.labels) == {"a", "b"}


def test_where_test_and_val_both_stand_val_trains_and_is_counted(tmp_path: Path, image: Draw) -> None:
    for part in ("train", "test", "val"):
        for label in ("a", "b"):
            put(tmp_path / part / label / "0.png", image(0))
    source = folder.open_source(tmp_path)
    assert source.notes == (("images marked for validation, trained on (a run sets a part of its own aside)", 2),)
    assert {id_: bool(trains) for id_, trains in zip(source.ids, source.train, strict=True)} == {
        f"{part}/{label}/0.png": part != "test" for part in ("train", "test", "val") for label in "ab"
    }


PLAIN = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(4)]
LAYOUTS: dict[str, tuple[list[str], int, list[str]]] = {  # paths, test rows, notes
    "plain": ([*PLAIN, "stray.png"], 2, ["images outside of class folders, left out"]),
    "wrapped": ([f"photos/{p}" for p in PLAIN], 2, ["images, all of them in photos/, so its folders count"]),
    "wrapped twice": ([f"a/b/{p}" for p in PLAIN], 2, ["images, all of them in a/b/, so its folders count"]),
    "train alone": ([f"train/{p}" for p in PLAIN], 2, ["images, all of them in train/, so its folders count"]),
    "eval": ([f"{part}/{p}" for part in ("train", "eval") for p in PLAIN], 8, []),
    "val": (
        [f"{part}/{p}" for part in ("train", "val") for p in PLAIN], 8,
        ["images of val/, used as test rows because there is no test/"],
    ),
    "wrapped split": (
        [f"x/{part}/{p}" for part in ("Train", "Test") for p in PLAIN] + ["x/more/1.png", "x/Train/1.png"], 8,
        [
            "images, all of them in x/, so its folders count",
            "images of more/, left out",
            "images outside of class folders, left out",
        ],
    ),
    "a class named train": (["train/1.png", "train/2.png", "cat/1.png", "dog/1.png"], 1, []),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_trees_as_people_have_them(tmp_path: Path, image: Draw, layout: str, packed: bool) -> None:
    paths, tests, notes = LAYOUTS[layout]
    for i, name in enumerate([*paths, ".trash/x/1.png", "__MACOSX/cat/._1.png"]):
        put(tmp_path / "tree" / name, image(i))
    place = tmp_path / "tree"
    if packed:
        place = Path(shutil.make_archive(str(tmp_path / "tree"), "zip", place))
    assert load.detect(place) == "folder"
    source = folder.open_source(place)
    assert set(source.labels) >= {"cat", "dog"} and not {"Train", "photos", "x"} & set(source.labels)
    assert (~source.train).sum() == tests
    assert [note for note, _ in source.notes] == notes
    loaded = load.load("folder", path=place, size=8, cache=tmp_path / "cache")
    assert dict(loaded.notes)["rows with an unreadable image, left out"] == 0
    if packed:
        again = load.load("folder", path=tmp_path / "tree", size=8, cache=tmp_path / "cache")
        assert (loaded.fingerprint, loaded.ids) == (again.fingerprint, again.ids)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            ["train", "dev"],
            r"in train/ but in no test/ or val/ next to it \(dev/: no such name, or .*; add one, or give",
        ),
        (
            ["train", "test/"],
            r"in no test/ or val/ next to it \(test/: no such name, or no class folders in it\); add one",
        ),
        (["test", "val"], r"class folders in test/, val/ but in no train/ next to it; add one\.$"),
    ],
)
def test_half_a_split_is_one_sentence_and_not_two_classes(
    tmp_path: Path, image: Draw, parts: list[str], message: str
) -> None:
    for part in parts:
        for name in PLAIN:  # a part that ends in "/" is flat
            put(tmp_path / part / (name.replace("/", "-") if part.endswith("/") else name), image(0))
    with pytest.raises(UserError, match=message):
        folder.open_source(tmp_path)


def test_a_zip_of_no_classes_is_one_sentence(tmp_path: Path, image: Draw) -> None:
    put(tmp_path / "flat" / "1.png", image(0))
    (tmp_path / "got").mkdir()
    packed = Path(shutil.make_archive(str(tmp_path / "got" / "flat"), "zip", tmp_path / "flat"))
    for path, message in ((packed, "flat.zip holds no dataset; looked for"), (packed.parent, "dataset but flat.zip; ")):
        with pytest.raises(UserError, match=message):
            load.detect(path)


@given(st.lists(st.text("abcdef", min_size=1), unique=True, min_size=1), st.integers(0, 5))
def test_the_drawn_split_follows_names_not_order(names: list[str], turn: int) -> None:
    labels = ["x" if name < "c" else "y" for name in names]
    train = dict(zip(names, drawn_split(names, labels).tolist(), strict=True))
    order = names[turn:] + names[:turn]
    again = drawn_split(order, ["x" if name < "c" else "y" for name in order])
    assert dict(zip(order, again.tolist(), strict=True)) == train
    for label in set(labels):
        of_class = [train[name] for name, its in zip(names, labels, strict=True) if its == label]
        assert any(of_class)
        assert len(of_class) == 1 or of_class.count(False) == max(1, round(0.3 * len(of_class)))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_with_split_and_text(tmp_path: Path, image: Draw, delimiter: str) -> None:
    rows = [["Class", "Image", "Split", "Title"]]
    for i, name in enumerate(NAMES):
        put(tmp_path / "pictures" / name, image(i))
        rows.append(["ab"[i % 2], f"pictures/{name}", "train" if i < 4 else "Test", f"A thing, {i}"])
    rows += [["a", "pictures/absent.png", "test", "gone"], ["", "pictures/x.png", "test", ""], rows[1]]
    path = table(tmp_path / "list.csv", rows, delimiter)
    for given_path in (path, tmp_path):
        loaded = load.load("folder", path=given_path, size=8, cache=tmp_path / ".cache")
        assert loaded.ids == tuple(f"pictures/{name}" for name in NAMES)
        assert loaded.texts == tuple(f"A thing, {i}" for i in range(6))
        assert loaded.train_N.tolist() == [True] * 4 + [False] * 2
        assert dict(loaded.notes) == {
            "rows without a path or a label, dropped": 1,
            "rows that repeat a path, dropped": 1,
            "rows without an image, left out": 1,
            "rows with an unreadable image, left out": 0,
            "greyscale images, turned into RGB": 0,
        }


@pytest.mark.parametrize("word", ["val", "Valid", " validation "])
def test_validation_rows_train_and_are_counted(tmp_path: Path, image: Draw, word: str) -> None:
    rows = [["path", "label", "split"]]
    for i, part in enumerate(("train", word, "test", "eval")):
        rows += [[Path(put(tmp_path / f"{label}{i}.png", image(i))).name, label, part] for label in "ab"]
    source = folder.open_source(table(tmp_path / "list.csv", rows))
    assert source.train.tolist() == [True] * 4 + [False] * 4
    assert source.notes == (("rows marked for validation, trained on (a run sets a part of its own aside)", 2),)
    with pytest.raises(UserError, match="marks no row as test in its split column.*remove the column"):
        folder.open_source(table(tmp_path / "list.csv", rows[:5]))


@pytest.mark.parametrize("kind", ["above", "absolute", "link", "folder link"])
def test_a_csv_that_leaves_its_folder_is_refused(tmp_path: Path, image: Draw, kind: str) -> None:
    outside = put(tmp_path / "outside" / "x.png", image(0))
    root = tmp_path / "data"
    put(root / "in.png", image(1))
    cell = {"above": "../outside/x.png", "absolute": outside, "link": "link.png", "folder link": "link/x.png"}[kind]
    if kind == "link":
        (root / "link.png").symlink_to(outside)
    if kind == "folder link":
        (root / "link").symlink_to(tmp_path / "outside")
    listed = table(root / "a.csv", [["path", "label"], ["in.png", "a"], [cell, "b"]])
    with pytest.raises(UserError, match="outside .*; give the folder above all images with --image-root DIR"):
        folder.open_source(listed)
    source = folder.open_source(listed, image_root=str(tmp_path))
    assert source.ids[0] == "data/in.png" and source.ids[1] in ("outside/x.png", f"data/{cell}")
    assert [source.read(0), source.read(1)] == [image(1), image(0)]


def test_paths_may_start_from_the_image_root(tmp_path: Path, image: Draw) -> None:
    for i in range(2):
        put(tmp_path / "images" / f"{i}.png", image(i))
    (tmp_path / "lists").mkdir()
    listed = table(tmp_path / "lists" / "a.csv", [["path", "label"], ["0.png", "a"], ["1.png", "b"]])
    source = folder.open_source(listed, image_root=str(tmp_path / "images"))
    assert source.ids == ("0.png", "1.png") and source.read(1) == image(1)
    with pytest.raises(UserError, match="is not a folder"):
        folder.open_source(listed, image_root=str(listed))
    with pytest.raises(UserError, match="belong to a table that lists images"):
        folder.open_source(tmp_path / "images", image_root=str(tmp_path))


def test_the_option_reaches_the_data(tmp_path: Path, image: Draw, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(8):
        put(tmp_path / "images" / f"{i}.png", image(i))
    (tmp_path / "lists").mkdir()
    rows = [[f"../images/{i}.png", "ab"[i % 2]] for i in range(8)]
    listed = str(table(tmp_path / "lists" / "a.csv", [["path", "label"], *rows]))
    assert main(["data", "info", "--data", listed]) == 2
    assert "--image-root" in capsys.readouterr().err
    assert main(["data", "info", "--data", listed, "--image-root", str(tmp_path)]) == 0
    assert "8 rows, 2 classes" in capsys.readouterr().out


def test_absolute_paths_and_links_inside_the_folder_are_read(tmp_path: Path, image: Draw) -> None:
    inside = put(tmp_path / "in.png", image(1))
    (tmp_path / "link.png").symlink_to("in.png")
    source = folder.open_source(table(tmp_path / "a.csv", [["path", "label"], [inside, "a"], ["link.png", "b"]]))
    assert source.ids == ("in.png", "link.png")
    assert [source.read(0), source.read(1)] == [image(1), image(1)]


def test_bad_tables_and_trees_are_one_sentence(tmp_path: Path, image: Draw) -> None:
    put(tmp_path / "one" / "class" / "a.png", image(0))
    put(tmp_path / "none" / "a.png", image(0))
    put(tmp_path / "latin" / "a.csv", b"path,label\na.png,caf\xe9\nb.png,x\n")
    header = ["path", "label", "split"]
    wrong = table(tmp_path / "split.csv", [header, ["a.png", "a", "train"], ["b.png", "b", "maybe"]])
    cases = {
        tmp_path / "no": "does not exist; expected a class/image tree",
        tmp_path / "one": "holds 1 class; at least two classes are needed",
        tmp_path / "none": "holds no images in classes; looked for a class/image tree",
        tmp_path / "latin" / "a.csv": "cannot be read as a UTF-8 CSV",
        wrong: "has 'maybe' in its split column; expected one of train",
        table(tmp_path / "columns.csv", [["a", "b"], ["1", "2"]]): r"needs a path column \(path, file",
        table(tmp_path / "nul.csv", [["path", "label"], ["a\0b", "x"], ["c", "y"]]): "is not a path",
    }
    for path, message in cases.items():
        with pytest.raises(UserError, match=message) as caught:
            folder.open_source(path)
        assert "\n" not in str(caught.value)
