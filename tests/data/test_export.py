"""What is exported is what the loaders read back."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.data import catalog, digits, fashion, folder, load
from benchmarks.data import export as exporting
from benchmarks.data.base import Source
from benchmarks.data.export import STYLES_COLUMNS, export
from benchmarks.support.errors import UserError

FORMS = ("folder", "zip", "parquet")


@pytest.fixture(scope="module")
def small() -> Source:
    return catalog.open_source(seed=1, rows_scale=0.01)


def _red_png() -> bytes:
    return cv2.imencode(".png", np.full((4, 3, 3), (0, 0, 255), np.uint8))[1].tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_the_fashion_loader_reads_every_form_back(small: Source, tmp_path: Path, form: str) -> None:
    back = fashion.open_source(export(small, tmp_path / "out", form))  # type: ignore[arg-type]
    assert (back.ids, back.labels, back.texts) == (small.ids, small.labels, small.texts)
    assert back.extra == small.extra
    np.testing.assert_array_equal(back.train, small.train)
    for row in range(0, len(small.ids), 9):
        coded = back.read(row)
        assert isinstance(coded, bytes)
        bgr_HW3 = np.asarray(cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR), dtype=float)
        assert np.abs(bgr_HW3[..., ::-1] - small.read(row)).mean() < 8, "quality 95, and RGB not swapped"


def test_all_forms_hold_the_same_data(small: Source, tmp_path: Path) -> None:
    paths = [export(small, tmp_path / form, form) for form in FORMS]  # type: ignore[arg-type]
    loaded = [load.load("fashion", path=path, size=16, cache=tmp_path / "cache") for path in paths]
    assert len({one.fingerprint for one in loaded}) == 1


def test_images_of_a_run_s_size_come_in_shards_and_are_the_same_data_to_a_run(
    small: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_BYTES_PER_SHARD", 40_000)
    path = export(small, tmp_path / "out", "parquet", 16)
    shards = list((path / "data").iterdir())
    assert len(shards) > 2 and max(pq.read_metadata(shard).num_rows for shard in shards) < len(small.ids)
    whole = export(small, tmp_path / "whole", "folder")
    one, two = (load.load("fashion", path=data, size=16, cache=tmp_path / "cache") for data in (path, whole))
    assert one.images_NHWC.shape == two.images_NHWC.shape
    assert np.abs(one.images_NHWC.astype(int) - two.images_NHWC).mean() < 8, "the folder has JPEGs"
    again = export(fashion.open_source(whole), tmp_path / "again", "parquet", 16)
    assert load.load("fashion", path=again, size=16, cache=tmp_path / "cache").fingerprint == two.fingerprint
    with pytest.raises(UserError, match="give --form parquet"):
        export(small, tmp_path / "zip", "zip", 16)


def test_the_layouts_are_kaggles_and_the_hubs(small: Source, tmp_path: Path) -> None:
    export(small, tmp_path / "folder")
    header = (tmp_path / "folder" / "styles.csv").read_text("utf-8").splitlines()[0]
    assert header == ",".join(STYLES_COLUMNS)
    assert {p.name for p in (tmp_path / "folder" / "images").iterdir()} == {f"{id_}.jpg" for id_ in small.ids}
    with zipfile.ZipFile(export(small, tmp_path / "zip", "zip")) as archive:
        assert set(archive.namelist()) == {"styles.csv", *(f"images/{id_}.jpg" for id_ in small.ids)}
    export(small, tmp_path / "parquet", "parquet")
    (shard,) = (tmp_path / "parquet" / "data").iterdir()
    schema = pq.read_schema(shard)
    assert shard.name == "train-00000-of-00001.parquet"
    assert schema.names == [*STYLES_COLUMNS, "image"]
    assert [str(schema.field(n).type) for n in ("id", "year", "image")] == [
        "int64",
        "double",
        "struct<bytes: binary, path: string>",
    ]


def test_awkward_cells_and_missing_images_survive(small: Source, tmp_path: Path) -> None:
    names = ('Tie, "silk", blue', "Ünïcode – naïve", "", *(small.texts or ())[3:])
    years = ("", *small.extra["year"][1:])
    images = {1: _red_png()}
    awkward = dataclasses.replace(
        small, texts=names, extra={**small.extra, "year": years}, read=lambda row: None if row == 0 else images.get(1)
    )
    for form in ("folder", "zip"):
        back = fashion.open_source(export(awkward, tmp_path / form, form))
        assert back.texts == names
        assert back.extra["year"] == years
        assert back.read(0) is None
        assert back.read(1) == images[1], "encoded images stay as they are"
    shards = fashion.open_source(export(awkward, tmp_path / "parquet", "parquet"))
    assert shards.ids == small.ids[1:], "the hub's rows all have an image"
    assert shards.texts == names[1:]


def test_a_source_without_those_columns_becomes_a_class_tree(tmp_path: Path) -> None:
    source = digits.open_source()
    images = {0: _red_png()}
    mixed = dataclasses.replace(source, read=lambda row: images.get(row, source.read(row)))
    path = export(mixed, tmp_path / "tree")
    assert (path / ("train" if source.train[0] else "test") / source.labels[0] / f"{source.ids[0]}.png").is_file()
    back = folder.open_source(path)
    found = {
        (Path(id_).stem, label, bool(train))
        for id_, label, train in zip(back.ids, back.labels, back.train, strict=True)
    }
    assert found == set(zip(source.ids, source.labels, source.train.tolist(), strict=True))


@pytest.mark.parametrize("form", ["zip", "parquet"])
def test_a_source_without_those_columns_has_only_the_tree(tmp_path: Path, form: str) -> None:
    with pytest.raises(UserError, match="lacks the columns of styles.csv"):
        export(digits.open_source(), tmp_path / "out", form)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(small: Source, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"):
        export(small, tmp_path)
    with pytest.raises(UserError, match="not an empty folder"):
        export(small, tmp_path / "mine.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_form_names_the_nearest(small: Source, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'parquet'"):
        export(small, tmp_path / "out", "parket")  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["../up", "a/b", "", ".hidden", "c:\\d"])
def test_ids_and_classes_that_would_leave_the_folder_are_refused(small: Source, tmp_path: Path, bad: str) -> None:
    with pytest.raises(UserError, match="cannot be a file name"):
        export(dataclasses.replace(small, ids=(bad, *small.ids[1:])), tmp_path / "out")
    source = digits.open_source()
    with pytest.raises(UserError, match="The class .* cannot be a file name"):
        export(dataclasses.replace(source, labels=(bad, *source.labels[1:])), tmp_path / "out")
    assert not (tmp_path / "out").exists()
