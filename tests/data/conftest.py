"""A small fashion dataset of drawn photographs, written in every layout in which the real one comes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

COLUMNS = (
    "id", "gender", "masterCategory", "subCategory", "articleType", "baseColour", "season", "year", "usage",
    "productDisplayName",
)  # fmt: skip


def encode(array: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


@dataclass
class Shop:
    """Rows as text, and the encoded image of each id that has one."""

    rows: list[list[str]] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)

    def add(self, id_: str, label: str, year: str, name: str, image: bytes | None) -> None:
        self.rows.append([id_, "Men", "Apparel", "Topwear", label, "Blue", "Fall", year, "Casual", name])
        if image is not None:
            self.images[id_] = image

    def csv(self) -> bytes:
        # as the published file is: nothing is quoted
        return "\n".join(",".join(row) for row in [list(COLUMNS), *self.rows]).encode() + b"\n"

    def folder(self, path: Path) -> Path:
        (path / "images").mkdir(parents=True)
        (path / "styles.csv").write_bytes(self.csv())
        for id_, image in self.images.items():
            (path / "images" / f"{id_}.jpg").write_bytes(image)
        return path

    def zip(self, path: Path, prefix: str = "") -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(f"{prefix}styles.csv", self.csv())
            for id_, image in self.images.items():
                file.writestr(f"{prefix}images/{id_}.jpg", image)
        return path

    def table(self, rows: list[list[str]]) -> pa.Table:
        """As the hub serves it: numbers as numbers, missing as null, only rows that have an image."""
        columns: dict[str, pa.Array] = {name: pa.array([row[i] for row in rows]) for i, name in enumerate(COLUMNS)}
        columns["id"] = pa.array([int(row[0]) for row in rows], pa.int64())
        columns["year"] = pa.array([float(row[7]) if row[7] else None for row in rows], pa.float64())
        images = [{"bytes": self.images[row[0]], "path": f"{row[0]}.jpg"} for row in rows]
        columns["image"] = pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
        return pa.table(columns)

    def shards(self, path: Path, count: int = 2, table: bool = False) -> Path:
        (path / "data").mkdir(parents=True)
        rows = [row for row in self.rows if row[0] in self.images]
        for i in range(count):
            part = self.table(rows[i * len(rows) // count : (i + 1) * len(rows) // count])
            pq.write_table(part, path / "data" / f"train-{i:05}-of-{count:05}.parquet", row_group_size=3)
        if table:
            (path / "styles.csv").write_bytes(self.csv())
        return path


@pytest.fixture
def shop() -> Shop:
    """Return 24 rows in four classes with every oddity: a comma, a missing, a damaged and a greyscale image."""
    random = np.random.default_rng(0)
    shop = Shop()
    for i in range(24):
        array = random.integers(0, 256, (20, 15, 3), dtype=np.uint8)
        image: bytes | None = encode(array)
        name = f'Brand {i} 3.5" Shirt'
        if i == 3:
            name = "Brand, with comma, twice"
        if i == 5:
            image = None
        if i == 7:
            image = encode(array)[:60]
        if i == 9:
            image = encode(array[:, :, 0], "JPEG")
        label = ["Tshirts", "Tshirts", "Watches", "Belts"][i % 4] if i < 20 else "Gloves"
        year = "" if i == 10 else "2011" if label == "Gloves" else str(2010 + (i // 4) % 3)
        shop.add(str(1000 + i), label, year, name, image)
    return shop


@pytest.fixture
def image() -> Callable[..., bytes]:
    """Return a function that encodes a drawn image of a shape, different for each seed."""

    def draw(seed: int = 0, height: int = 20, width: int = 15, kind: str = "PNG") -> bytes:
        return encode(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8), kind)

    return draw
