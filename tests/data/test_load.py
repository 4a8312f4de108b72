from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.data import load
from benchmarks.support.errors import UserError

from .conftest import Shop


def test_the_dataset_is_found_by_looking(shop: Shop, tmp_path: Path, image: Callable[..., bytes]) -> None:
    for label in ("a", "b"):
        (tmp_path / "tree" / label).mkdir(parents=True)
        (tmp_path / "tree" / label / "0.png").write_bytes(image(0))
    (tmp_path / "list.csv").write_text("file,target\na.png,x\n")
    (tmp_path / "empty").mkdir()
    assert load.detect(shop.folder(tmp_path / "kaggle")) == "fashion"
    assert load.detect(shop.zip(tmp_path / "archive.zip")) == "fashion"
    assert load.detect(shop.shards(tmp_path / "hub")) == "fashion"
    assert load.detect(tmp_path / "tree") == "folder"
    assert load.detect(tmp_path / "list.csv") == "folder"
    with pytest.raises(UserError, match=r"holds no dataset; looked for Kaggle's folder .* or a class/image tree"):
        load.detect(tmp_path / "empty")
    with pytest.raises(UserError, match="does not exist; expected Kaggle's folder"):
        load.detect(tmp_path / "no")


def test_a_parquet_file_of_other_columns_is_not_the_fashion_data(
    shop: Shop, tmp_path: Path, image: Callable[..., bytes]
) -> None:
    other = tmp_path / "mine" / "features.parquet"
    for label in ("a", "b"):
        (tmp_path / "mine" / "data" / label).mkdir(parents=True)
        (tmp_path / "mine" / "data" / label / "0.png").write_bytes(image(0))
    pq.write_table(pa.table({"id": [1], "image": ["x"]}), other)
    assert load.detect(tmp_path / "mine" / "data") == "folder"
    shop.shards(tmp_path / "hub")
    other = other.rename(tmp_path / "hub" / "features.parquet")
    assert load.detect(tmp_path / "hub") == "fashion"
    assert len(load.load("fashion", path=tmp_path / "hub", size=16, cache=tmp_path).ids) == 22
    (tmp_path / "alone").mkdir()
    other.rename(tmp_path / "alone" / "features.parquet")
    with pytest.raises(UserError, match="no dataset; .* with the columns id, articleType, .* and image"):
        load.detect(tmp_path / "alone")


def test_fashion_without_a_path_is_the_fetched_one(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`data fetch fashion`, or give it with --data PATH"):
        load.load("fashion", size=16, cache=tmp_path)
    shop.shards(load.fetched_folder(tmp_path, "fashion"))
    assert len(load.load("fashion", size=16, cache=tmp_path).ids) == 22


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("fashoin", None, r"no dataset 'fashoin' \(did you mean 'fashion'\?\)"),
        ("folder", None, "needs --data PATH: a class/image tree"),
        ("catalog", Path("x"), "takes no path"),
        ("digits", Path("x"), "takes no path"),
    ],
)
def test_names_and_paths_that_do_not_go_together(tmp_path: Path, name: str, path: Path | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load.open_source(name, path, cache=tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digits", {"sed": 1}, r"'digits' takes no option 'sed' \(did you mean 'seed'\?\); options .*: seed\.$"),
        ("catalog", {"imbalance": 10.0}, r"'catalog' takes no option 'imbalance'; options .*: seed, rows_scale\.$"),
        ("cifar10", {"name": "x"}, r"'cifar10' takes no option 'name'; options .*: imbalance, seed\.$"),
        ("fashion", {"seed": 1}, r"'fashion' takes no option 'seed'; options that it takes: none\.$"),
        (
            "folder",
            {"seed": 1},
            r"takes no option 'seed'; .* takes: image_root, label_column, image_column\.$",
        ),
        ("digits", {"seed": "one"}, r"'seed' of the dataset 'digits' is 'one', expected a whole number\.$"),
        ("digits", {"seed": True}, r"'seed' of the dataset 'digits' is True, expected a whole number\.$"),
        ("catalog", {"rows_scale": "all"}, r"'rows_scale' of the dataset 'catalog' is 'all', expected a number\.$"),
    ],
)
def test_options_that_a_dataset_does_not_take(
    tmp_path: Path, name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load.open_source(name, None, cache=tmp_path, options=options)


def test_options_that_a_dataset_takes_arrive(tmp_path: Path) -> None:
    plain, other, fewer = (
        load.open_source(name, None, cache=tmp_path, options=options)
        for name, options in (("digits", {}), ("digits", {"seed": 1}), ("catalog", {"rows_scale": 1 / 50}))
    )
    assert plain.stamp != other.stamp
    assert len(fewer.ids) < 1000


def test_classes_are_ordered_by_training_rows_of_readable_images(shop: Shop, tmp_path: Path) -> None:
    loaded = load.load("fashion", path=shop.folder(tmp_path / "shop"), size=16, cache=tmp_path)
    train = loaded.labels_N[loaded.train_N].tolist()
    counts = [train.count(label) for label in range(len(loaded.class_names))]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0
    assert [loaded.class_names[label] for label in loaded.labels_N] == [
        row[4] for row in shop.rows if row[0] in loaded.ids
    ]


def test_the_fingerprint_follows_pixels_texts_split_and_size(shop: Shop, tmp_path: Path) -> None:
    def fingerprint(number: int, size: int = 16) -> str:
        path = shop.folder(tmp_path / str(number))
        return load.load("fashion", path=path, size=size, cache=tmp_path / "cache").fingerprint

    prints = [fingerprint(0), fingerprint(1, size=17)]
    shop.rows[0][-1] = "Another name"
    prints.append(fingerprint(2))
    shop.rows[0][7] = "2011"
    prints.append(fingerprint(3))
    shop.images["1001"] = shop.images["1002"]
    prints.append(fingerprint(4))
    assert len(set(prints)) == 5
    shop.rows[0][5] = "Red"  # a column nothing is trained on
    assert fingerprint(5) == prints[-1]


def test_the_cache_folder_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path))
    assert load.cache_folder() == tmp_path
    monkeypatch.delenv("BENCHMARKS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load.cache_folder() == tmp_path / ".cache" / "imbalance-benchmarks"


def test_loading_imports_neither_torch_nor_pandas(shop: Shop, tmp_path: Path) -> None:
    shop.shards(tmp_path / "hub")
    code = (
        "import sys; from pathlib import Path; from benchmarks.data import load, split, fetch\n"
        "assert not {'cv2', 'pyarrow', 'PIL', 'huggingface_hub'} & set(sys.modules), 'heavy import at import'\n"
        f"load.load('fashion', path=Path({str(tmp_path / 'hub')!r}), size=16, cache=Path({str(tmp_path)!r}))\n"
        "from benchmarks.suites.choose import automatic\n"
        f"automatic(Path({str(tmp_path / 'hub')!r}), 'cpu')\n"
        "assert not {'torch', 'sklearn'} & set(sys.modules), 'torch imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_cache_is_where_the_user_or_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert load.cache_folder() == tmp_path / "own"
    monkeypatch.delenv("BENCHMARKS_CACHE")
    if sys.platform == "linux":
        assert load.cache_folder() == tmp_path / "xdg" / "imbalance-benchmarks"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert load.cache_folder() == tmp_path / ".cache" / "imbalance-benchmarks"
