from __future__ import annotations

import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.data import fashion, load
from benchmarks.data.split import stages, unseen
from benchmarks.support.errors import UserError

from .conftest import Shop

LAYOUTS: dict[str, Callable[[Shop, Path], Path]] = {
    "folder": lambda shop, path: shop.folder(path / "a"),
    "folder one level down": lambda shop, path: shop.folder(path / "b" / "fashion-dataset").parent,
    "its images folder": lambda shop, path: shop.folder(path / "c") / "images",
    "its styles.csv": lambda shop, path: shop.folder(path / "d") / "styles.csv",
    "zip": lambda shop, path: shop.zip(path / "archive.zip"),
    "zip with a folder": lambda shop, path: shop.zip(path / "nested.zip", "fashion-dataset/"),
    "shards": lambda shop, path: shop.shards(path / "e"),
    "shards themselves": lambda shop, path: shop.shards(path / "f") / "data",
    "one shard": lambda shop, path: shop.shards(path / "g", 1) / "data" / "train-00000-of-00001.parquet",
    "shards beside styles.csv": lambda shop, path: shop.shards(path / "h", 3, table=True),
}


def test_every_layout_gives_the_same_data(shop: Shop, tmp_path: Path) -> None:
    loaded = {
        name: load.load("fashion", path=write(shop, tmp_path), size=16, cache=tmp_path / "cache" / name)
        for name, write in LAYOUTS.items()
    }
    assert len({one.fingerprint for one in loaded.values()}) == 1
    first = loaded.pop("folder")
    assert len(first.ids) == 22
    for one in loaded.values():
        assert (one.ids, one.texts, one.class_names) == (first.ids, first.texts, first.class_names)
        np.testing.assert_array_equal(one.images_NHWC, first.images_NHWC)


def test_oddities_are_kept_or_left_out_and_counted(shop: Shop, tmp_path: Path) -> None:
    loaded = load.load("fashion", path=shop.folder(tmp_path / "shop"), size=16, cache=tmp_path)
    assert dict(loaded.notes) == {
        "rows whose name held an unquoted comma": 1,
        "rows without a year (test)": 1,
        "rows without an image, left out": 1,
        "rows with an unreadable image, left out": 1,
        "greyscale images, turned into RGB": 1,
    }
    assert "1005" not in loaded.ids
    assert "1007" not in loaded.ids
    assert loaded.texts is not None
    assert loaded.texts[loaded.ids.index("1003")] == "Brand, with comma, twice"
    grey = loaded.images_NHWC[loaded.ids.index("1009")]
    assert (grey == grey[:, :, :1]).all()
    assert not loaded.train_N[loaded.ids.index("1010")]
    # Gloves have no even year: last of the classes, and unseen
    assert loaded.class_names[0] == "Tshirts"
    assert loaded.class_names[-1] == "Gloves"
    assert unseen(loaded) == (1, 4)


def test_the_even_years_train() -> None:
    cells = ["2012", "2011", "", "2010.0", "NA", "2012.5", "nan", "inf"]
    assert fashion.even_years(cells).tolist() == [True, False, False, True, False, False, False, False]


@pytest.mark.parametrize("layout", ["zip", "shards", "folder"])
def test_many_threads_read_what_one_reads(shop: Shop, tmp_path: Path, layout: str) -> None:
    source = fashion.open_source(LAYOUTS[layout](shop, tmp_path))
    rows = list(range(len(source.ids))) * 20
    expected = [source.read(row) for row in rows]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(source.read, rows)) == expected


@pytest.mark.parametrize("layout", ["zip", "shards beside styles.csv", "folder"])
def test_the_stamp_follows_the_files(shop: Shop, tmp_path: Path, layout: str) -> None:
    path = LAYOUTS[layout](shop, tmp_path)
    before = fashion.open_source(path).stamp
    assert fashion.open_source(path).stamp == before
    shop.images["1000"] = shop.images["1001"]
    shop.rows[0][-1] = "Another name"
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    assert fashion.open_source(LAYOUTS[layout](shop, tmp_path)).stamp != before


@pytest.mark.parametrize("member", ["../images/1.jpg", "/etc/1.jpg", "images/../../1.jpg", "C:/1.jpg", "..\\1.jpg"])
def test_a_zip_that_points_outside_is_refused(shop: Shop, tmp_path: Path, member: str) -> None:
    path = shop.zip(tmp_path / "archive.zip")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(member, b"x")
    with pytest.raises(UserError, match="points outside its folder"):
        fashion.open_source(path)


def test_a_zip_with_a_link_is_refused(shop: Shop, tmp_path: Path) -> None:
    path = shop.zip(tmp_path / "archive.zip")
    link = zipfile.ZipInfo("images/7.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="points outside its folder"):
        fashion.open_source(path)


def test_a_damaged_member_is_an_unreadable_image(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("styles.csv", shop.csv())
        for id_, image in shop.images.items():
            file.writestr(f"images/{id_}.jpg", image)
    data = path.read_bytes()
    at = data.index(shop.images["1000"]) + 50
    path.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    loaded = load.load("fashion", path=path, size=16, cache=tmp_path)
    assert dict(loaded.notes)["rows with an unreadable image, left out"] == 2
    assert "1000" not in loaded.ids


def wrong_paths(path: Path) -> dict[str, tuple[Path, str]]:
    (path / "empty").mkdir()
    (path / "rows only").mkdir()
    (path / "rows only" / "styles.csv").write_text("id,articleType,year,productDisplayName\n")
    (path / "a.txt").write_text("x")
    (path / "a.zip").write_text("x")
    with zipfile.ZipFile(path / "other.zip", "w") as file:
        file.writestr("readme", "x")
    (path / "shards").mkdir()
    (path / "shards" / "a.parquet").write_text("x")
    pq.write_table(pa.table({"id": [1]}), path / "other.parquet")
    columns = {"id": [1], "articleType": ["a"], "year": [1], "productDisplayName": [""], "image": ["x"]}
    pq.write_table(pa.table(columns), path / "text.parquet")
    return {
        "absent": (path / "no", "does not exist; expected Kaggle's folder"),
        "empty": (path / "empty", "holds no fashion dataset; looked for Kaggle's folder"),
        "rows only": (path / "rows only", "holds no fashion dataset"),
        "text": (path / "a.txt", "holds no fashion dataset"),
        "no zip": (path / "a.zip", "is not a zip file"),
        "other zip": (path / "other.zip", r"holds no styles.csv next to images/<id>.jpg"),
        "no shard": (path / "shards", "is not a Parquet file"),
        "other shard": (path / "other.parquet", "lacks the column 'articleType'"),
        "plain text": (path / "text.parquet", "must be struct<bytes, path>"),
    }


@pytest.mark.parametrize(
    "kind", ["absent", "empty", "rows only", "text", "no zip", "other zip", "no shard", "other shard", "plain text"]
)
def test_a_wrong_path_is_one_sentence(tmp_path: Path, kind: str) -> None:
    path, message = wrong_paths(tmp_path)[kind]
    with pytest.raises(UserError, match=message) as caught:
        fashion.open_source(path)
    assert os.linesep not in str(caught.value)


# The figures of the real data's README, from styles.csv and with images

HEAD = (
    "Tshirts 2749, Watches 2482, Casual Shoes 1551, Kurtas 1140, Shirts 1130, Tops 1059, Sunglasses 1042, "
    "Handbags 1006, Sports Shoes 881, Heels 775, Briefs 662, Wallets 600, Flip Flops 508, Socks 505, Belts 492, "
    "Sandals 477, Sarees 427, Dresses 371, Formal Shoes 359, Flats 342"
)


def test_real_rows(real_data: Path) -> None:
    source = fashion.open_source(real_data)
    labels = np.array(source.labels)
    counts = Counter(labels[source.train].tolist())
    assert len(source.ids) == 44_446
    assert (source.train.sum(), len(counts), (~source.train).sum()) == (23_791, 108, 20_655)
    assert ", ".join(f"{name} {count}" for name, count in counts.most_common(20)) == HEAD
    head = {name for name, _ in counts.most_common(20)}
    tests = Counter(labels[~source.train].tolist())
    assert tests["Sarees"] == 0
    of_head, of_unseen = sum(tests[name] for name in head), sum(n for name, n in tests.items() if name not in counts)
    assert (of_head, tests.total() - of_head - of_unseen, of_unseen) == (14_039, 4_173, 2_443)
    assert dict(source.notes) == {"rows without a year (test)": 1}
    images = np.array([source.read(row) is not None for row in range(len(source.ids))])
    assert sorted(int(source.ids[row]) for row in np.flatnonzero(~images)) == [12347, 39401, 39403, 39410, 39425]
    assert (images & source.train).sum() == 23_787
    assert len(set(labels[images & source.train])) == 107
    assert (images & ~source.train).sum() == 20_654


def test_real_rows_from_the_shards_alone_are_those_of_styles_csv(real_data: Path, tmp_path: Path) -> None:
    for shard in (real_data / "data").glob("*.parquet"):
        (tmp_path / shard.name).symlink_to(shard)
    whole, only = fashion.open_source(real_data), fashion.open_source(tmp_path)
    assert whole.texts is not None
    assert only.texts is not None
    place = {id_: row for row, id_ in enumerate(whole.ids)}
    rows = [place[id_] for id_ in only.ids]
    assert len(rows) == 44_441
    assert rows == sorted(rows)
    assert only.train.tolist() == whole.train[rows].tolist()
    assert only.labels == tuple(whole.labels[row] for row in rows)
    assert only.texts == tuple(whole.texts[row] for row in rows)


def test_real_stages_and_one_fingerprint_for_three_layouts(real_data: Path, tmp_path: Path) -> None:
    # the first rows of the real data, greyscale ones among them, written as Kaggle serves them
    source = fashion.open_source(real_data / "data" / "train-00000-of-00004.parquet")
    table = pq.read_table(real_data / "data" / "train-00000-of-00004.parquet").slice(0, 1500)
    (tmp_path / "shards").mkdir()
    pq.write_table(table, tmp_path / "shards" / "a.parquet")
    real = Shop()
    assert source.texts is not None
    for row in range(1500):
        image = source.read(row)
        assert isinstance(image, bytes)
        year = source.extra["year"][row]
        real.add(source.ids[row], source.labels[row], year, source.texts[row], image)
    paths = [tmp_path / "shards", real.folder(tmp_path / "folder"), real.zip(tmp_path / "a.zip")]
    loaded = [load.load("fashion", path=path, size=32, cache=tmp_path / "cache") for path in paths]
    assert len({one.fingerprint for one in loaded}) == 1
    assert dict(loaded[0].notes)["greyscale images, turned into RGB"] > 0
    head, tail = stages(loaded[0], "two-stage", 20, 0.1)
    assert len(head.classes) == 20
    assert min(np.bincount(loaded[0].labels_N[loaded[0].train_N])[list(head.classes)]) >= 1
    assert not set(head.classes) & set(tail.classes)
