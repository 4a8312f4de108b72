"""CIFAR-10 and CIFAR-100 made long-tailed, read from the binary version of the files, without pickle.

The archives that torchvision fetches (cifar-10-python.tar.gz) hold pickles, which run code when they are read; the
binary version on the same page holds the same images in the same order as plain bytes. Each record is one label byte
(CIFAR-100: a coarse and a fine one) and 3,072 bytes of pixels, channel by channel.

The training part keeps int(n_max * r^(-i / (C - 1))) rows of the i-th class, in the order of the labels, with n_max the
mean number of training rows of a class (Cui et al. 2019, arXiv:1901.05555; Cao et al. 2019, arXiv:1906.07413). Which
rows are kept is drawn from `seed` by our own generator, so they differ from those of other code bases.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.data.base import Source
from benchmarks.data.registry import dataset
from benchmarks.support.errors import UserError
from benchmarks.support.keys import content_key, generator

VERSION = 1  # raise it when rows or pixels change: it is part of the data's stamp
SIDE_PX = 32


@dataclass(frozen=True)
class Edition:
    """One of the two data sets: its archive, the archive's MD5, and its files."""

    archive: str
    md5: str
    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int  # per record; the last one is the class


EDITIONS = {
    "cifar10": Edition(
        "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", "cifar-10-batches-bin",
        tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin", "batches.meta.txt", 1,
    ),
    "cifar100": Edition(
        "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", "cifar-100-binary",
        ("train.bin",), "test.bin", "fine_label_names.txt", 2,
    ),
}  # fmt: skip


def open_source(name: str, path: Path, imbalance: float = 100.0, seed: int = 0) -> Source:
    """Return `name` ("cifar10" or "cifar100") with a long tail of ratio `imbalance` and its whole test part.

    `path` is the archive (its MD5 is checked), the folder that was unpacked from it, or a folder with one of them.
    Pixels: uint8 [32, 32, 3] RGB. No texts. Raises UserError for files that are absent, cut short or altered, and for
    an `imbalance` below 1.
    """
    if not 1 <= imbalance < float("inf"):
        raise UserError(f"imbalance is {imbalance}, expected a number of at least 1: rows of the first class to last.")
    edition = EDITIONS[name]
    read, stamp, origin = _find(edition, path)
    classes = [line.strip() for line in read(edition.names).decode("utf-8").splitlines() if line.strip()]
    parts = [_records(edition, file, read(file), len(classes)) for file in (*edition.train, edition.test)]
    train_rows = sum(len(labels_N) for labels_N, _ in parts[:-1])
    labels_N = np.concatenate([labels_N for labels_N, _ in parts])
    images_NHWC = np.concatenate([images_NHWC for _, images_NHWC in parts])
    kept = [*_kept(labels_N[:train_rows], len(classes), imbalance, seed), *range(train_rows, len(labels_N))]
    return Source(
        name=name,
        ids=tuple(
            f"{'train' if row < train_rows else 'test'}-{row if row < train_rows else row - train_rows}" for row in kept
        ),
        labels=tuple(classes[label] for label in labels_N[kept]),
        train=np.array([row < train_rows for row in kept], dtype=np.bool_),
        texts=None,
        read=lambda row: images_NHWC[kept[row]],
        stamp=content_key([name, VERSION, stamp, imbalance, seed]),
        origin=f"{origin}, long-tailed at ratio {imbalance:g} with seed {seed}",
    )


def training_rows(most: int, classes: int, imbalance: float) -> list[int]:
    """Return the training rows per class, in the order of the labels: int(most * imbalance^(-i / (C - 1)))."""
    return [int(most * (1 / imbalance) ** (i / (classes - 1))) for i in range(classes)]


def _kept(labels_N: np.ndarray, classes: int, imbalance: float, seed: int) -> list[int]:
    """Return the training rows kept, ascending."""
    kept: list[int] = []
    for label, count in enumerate(training_rows(len(labels_N) // classes, classes, imbalance)):
        own = generator("cifar", seed, label).permutation(np.flatnonzero(labels_N == label))
        kept += own[:count].tolist()
    return sorted(kept)


def _records(edition: Edition, file: str, content: bytes, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels int64 [N] and images uint8 [N, 32, 32, 3] of one file's records."""
    length = edition.label_bytes + 3 * SIDE_PX * SIDE_PX
    if not content or len(content) % length:
        raise UserError(f"{file} has {len(content)} bytes, no multiple of {length}: fetch {edition.archive} again.")
    records_NK = np.frombuffer(content, dtype=np.uint8).reshape(-1, length)
    labels_N = records_NK[:, edition.label_bytes - 1].astype(np.int64)
    if labels_N.max() >= classes:
        raise UserError(f"{file} has the label {labels_N.max()}, but there are {classes} classes; fetch it again.")
    images_NCHW = records_NK[:, edition.label_bytes :].reshape(-1, 3, SIDE_PX, SIDE_PX)
    return labels_N, np.ascontiguousarray(images_NCHW.transpose(0, 2, 3, 1))


def _find(edition: Edition, path: Path) -> tuple[Callable[[str], bytes], str, str]:
    """Return a function that reads a file of the data set by name, a stamp of the files, and their origin as text."""
    archive = path if path.is_file() else path / edition.archive
    if archive.is_file():
        return _open_archive(edition, archive)
    for folder in (path, path / edition.folder):
        files = [folder / file for file in (*edition.train, edition.test, edition.names)]
        if all(file.is_file() for file in files):
            marks = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
            return partial(_read_file, folder), content_key(marks), f"{folder} (not checked by MD5)"
    pickled = "; the pickled version is not read, because reading a pickle runs what is in it" if _pickled(path) else ""
    raise UserError(f"{path} holds no {edition.archive} and no {edition.folder} unpacked from it{pickled}.")


def _read_file(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def _open_archive(edition: Edition, path: Path) -> tuple[Callable[[str], bytes], str, str]:
    """Check the archive's MD5 and return what `_find` does; the archive is not unpacked."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if digest != edition.md5:
        raise UserError(
            f"{path} has the MD5 {digest}, the published {edition.archive} {edition.md5}; fetch the binary version."
        )

    def read(name: str) -> bytes:
        """Return a file of the archive; empty if it is not a regular file."""
        with tarfile.open(path) as archive:
            member = archive.extractfile(f"{edition.folder}/{name}")
            return member.read() if member else b""

    return read, digest, str(path)


def _pickled(path: Path) -> bool:
    """Whether `path` is or holds torchvision's pickled version."""
    return any(path.glob("cifar-10*-py*")) or path.name.startswith(
        ("cifar-10-py", "cifar-100-py", "cifar-10-batches-py")
    )


for _name, _title in (("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100")):
    _archive = EDITIONS[_name].archive
    dataset(
        _name,
        f"{_title} made long-tailed (--data PATH of {_archive}, or of what it unpacks to)",
        expects=f"{_archive}, or the folder it unpacks to",
    )(partial(open_source, _name))
