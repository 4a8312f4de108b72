"""CSV and Parquet tables and Hugging Face data sets as sources of images."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.cli import main
from benchmarks.data import folder, load
from benchmarks.support.errors import UserError

Draw = Callable[..., bytes]
CLASSES = ["cat", "dog"]
LABEL = {"label": {"names": CLASSES, "_type": "ClassLabel"}}


@pytest.fixture
def files(tmp_path: Path, image: Draw) -> list[str]:
    """Return the names of eight images in images/."""
    (tmp_path / "images").mkdir()
    for i in range(8):
        (tmp_path / "images" / f"{i}.png").write_bytes(image(i))
    return [f"images/{i}.png" for i in range(8)]


def write(path: Path, columns: dict[str, object], features: dict[str, object] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=3)
    return path


def held(image: Draw, rows: range) -> pa.Array:
    """Return images as the hub serves them."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([{"bytes": image(row), "path": None} for row in rows], kind)


def test_a_parquet_table_of_paths(tmp_path: Path, files: list[str], image: Draw) -> None:
    path = write(tmp_path / "list.parquet", {"file": files, "Label": pa.array(["a", "b"] * 4).dictionary_encode()})
    for place in (path, tmp_path):
        assert load.detect(place) == "folder"
        source = folder.open_source(place)
        assert (source.ids, source.labels) == (tuple(files), ("a", "b") * 4)
        assert source.read(5) == image(5)


@pytest.mark.parametrize("bare", [False, True], ids=["struct", "bytes"])
def test_parquet_files_that_hold_images_and_name_their_parts(tmp_path: Path, image: Draw, bare: bool) -> None:
    parts = {"train-00000-of-00002": range(4), "train-00001-of-00002": range(4, 7), "test-0": range(7, 9)}
    for name, rows in parts.items():
        images = pa.array([image(row) for row in rows]) if bare else held(image, rows)
        columns = {"image": images, "label": [row % 2 for row in rows], "other": pa.array([[1]] * len(rows))}
        write(tmp_path / "hub" / "data" / f"{name}.parquet", columns, LABEL)
    assert load.detect(tmp_path / "hub") == "folder"
    source = folder.open_source(tmp_path / "hub")
    order = [7, 8, *range(7)]  # test- sorts first
    assert source.labels == tuple(CLASSES[row % 2] for row in order)
    assert [source.read(row) for row in range(9)] == [image(row) for row in order]
    assert source.train.tolist() == [row < 7 for row in order]
    assert source.fixed_split
    loaded = load.load("folder", path=tmp_path / "hub", size=8, cache=tmp_path)
    assert len(loaded.ids) == 9 and loaded.class_names == ("cat", "dog")


def test_tables_named_after_their_parts_are_one(tmp_path: Path, files: list[str], image: Draw) -> None:
    for name, rows in (("train", range(4)), ("val", range(4, 6)), ("test_set", range(6, 8))):
        lines = [f"path,label,only in {name}", *(f"{files[row]},{'ab'[row % 2]},1" for row in rows)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    assert load.detect(tmp_path) == "folder"
    source = folder.open_source(tmp_path)
    assert dict(zip(source.ids, source.train.tolist(), strict=True)) == {f: f < "images/6" for f in files}
    assert source.read(0) == image(6) and source.fixed_split
    assert [count for _, count in source.notes] == [2]  # validation rows train
    (tmp_path / "more.csv").write_text("path,label\nimages/0.png,a\n")
    with pytest.raises(UserError, match="holds 1 class"):  # several tables and no parts: the tree images/ counts
        folder.open_source(tmp_path)


def test_several_label_columns_are_a_choice(
    tmp_path: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["path,category,class,shade", *(f"{name},{'ab'[i % 2]},{'xyz'[i % 3]},s" for i, name in enumerate(files))]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    listed = tmp_path / "list.csv"
    with pytest.raises(UserError, match=r"several label columns \(category, class\); choose one with --label-column"):
        folder.open_source(listed)
    assert set(folder.open_source(listed, label_column="class").labels) == {"x", "y", "z"}
    with pytest.raises(UserError, match=r"no column 'clas' .*did you mean 'class'.*it has category, "):
        folder.open_source(listed, label_column="clas")
    assert main(["data", "info", "--data", str(tmp_path), "--label-column", "category"]) == 0
    assert "8 rows, 2 classes" in capsys.readouterr().out


def test_unusual_names_are_given(tmp_path: Path, files: list[str]) -> None:
    path = write(tmp_path / "t.parquet", {"where": files, "what": ["a", "b"] * 4})
    with pytest.raises(UserError, match=r"needs a path column .* of its columns \(where, what\).* --image-column"):
        folder.open_source(path)
    with pytest.raises(UserError, match=r"needs a label column .* --label-column"):
        folder.open_source(path, image_column="where")
    assert folder.open_source(tmp_path, image_column="where", label_column="what").ids == tuple(files)


def test_any_absolute_path_is_read_if_the_root_is_given_as_root(tmp_path: Path, files: list[str], image: Draw) -> None:
    (tmp_path / "lists").mkdir()
    path = write(
        tmp_path / "lists" / "t.parquet", {"path": [str(tmp_path / f) for f in files], "label": ["a", "b"] * 4}
    )
    with pytest.raises(UserError, match="outside"):
        folder.open_source(path)
    assert folder.open_source(path, image_root="/").read(3) == image(3)


def test_a_damaged_parquet_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match=r"t\.parquet is not a Parquet file that can be read"):
        folder.open_source(tmp_path / "t.parquet")


def refuse(*_: object, **__: object) -> None:
    raise OSError("no network\nhere")


def test_a_data_set_saved_to_disk_and_one_by_name(
    tmp_path: Path, image: Draw, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = datasets.Features(
        {"img": datasets.Image(), "fine": datasets.ClassLabel(names=CLASSES), "coarse": datasets.ClassLabel(1)}
    )

    def part(rows: range) -> object:
        images = [{"bytes": image(row), "path": None} for row in rows]
        columns = {"img": images, "fine": [row % 2 for row in rows], "coarse": [0] * len(rows)}
        return datasets.Dataset.from_dict(columns, features)

    parts = datasets.DatasetDict({"train": part(range(6)), "test": part(range(6, 9)), "more": part(range(9, 11))})
    parts.save_to_disk(tmp_path / "saved")
    for name, rows in parts.items():
        rows.to_parquet(tmp_path / "named" / f"{name}-00000.parquet")
    assert load.detect(tmp_path / "saved") == "folder"
    with pytest.raises(UserError, match=r"several label columns \(fine, coarse\)"):
        folder.open_source(tmp_path / "saved")
    for given, left_out in ((tmp_path / "saved", 2), (Path(f"hf:{tmp_path / 'named'}"), 0)):
        source = folder.open_source(given, label_column="fine")
        assert source.labels[:6] == ("cat", "dog") * 3
        assert source.train.tolist() == [True] * 6 + [False] * 3
        assert [source.read(row) for row in range(9)] == [image(row) for row in range(9)]
        assert dict(source.notes).get("rows of the split more, left out", 0) == left_out
    one = part(range(8))
    one.save_to_disk(tmp_path / "one")
    assert not folder.open_source(tmp_path / "one", label_column="fine").fixed_split
    assert main(["data", "info", "--data", f"hf:{tmp_path / 'named'}", "--label-column", "fine"]) == 0
    assert "9 rows, 2 classes" in capsys.readouterr().out
    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(UserError, match=r"hf:no/such cannot be loaded \(no network here\)"):
        folder.open_source(Path("hf:no/such"))


def test_without_the_library_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UserError, match=r"library datasets, which is not installed: `pip install -e \.\[hf\]`"):
        folder.open_source(Path("hf:owner/name"))
    assert not os.listdir(tmp_path)
