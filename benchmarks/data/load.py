"""From a dataset's name and path to what everything above the data sees; and where decoded data lies."""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.base import Loaded, Source
from benchmarks.data.decoded.cache import Decoded, Progress, decode, rows_key
from benchmarks.support.errors import UserError, nearest
from benchmarks.support.keys import content_key

DATASETS: dict[str, str] = {
    "fashion": "Fashion Product Images, 44 k photographs in 140 article types (--data PATH, or data fetch fashion)",
    "catalog": "the embedded default: a product catalogue drawn by code, 46 article types with a long tail",
    "digits": "scikit-learn's handwritten digits, made long-tailed",
    "cifar10": "CIFAR-10 made long-tailed (--data PATH of cifar-10-binary.tar.gz, or of what it unpacks to)",
    "cifar100": "CIFAR-100 made long-tailed (--data PATH of cifar-100-binary.tar.gz, or of what it unpacks to)",
    "folder": "your own images: a class/image tree (folder or zip), or a CSV with path and label columns (--data PATH)",
}


def cache_folder() -> Path:
    """Return where decoded and fetched data lies: $BENCHMARKS_CACHE, else ~/.cache/imbalance-benchmarks."""
    chosen = os.environ.get("BENCHMARKS_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "imbalance-benchmarks"


def fetched_folder(cache: Path, name: str) -> Path:
    """Return where `data fetch NAME` puts the dataset; it exists only once all of it is there."""
    return cache / "fetched" / name


def detect(path: Path) -> str:
    """Return the name of the dataset that lies at `path`: "fashion" or "folder"; UserError where there is neither."""
    from benchmarks.data import folder
    from benchmarks.data.layouts import fashion_layouts, image_files

    if not path.exists():
        raise UserError(f"{path} does not exist; expected {fashion_layouts.LOOKED_FOR}, or {image_files.LOOKED_FOR}.")
    zipped = path.is_file() and path.suffix.lower() == ".zip"
    if fashion_layouts.in_zip(path) if zipped else fashion_layouts.find(path) is not None:
        return "fashion"
    if folder.find(path) is not None:
        return "folder"
    packed = [file.name for file in sorted(path.glob("*.zip"))]
    found = f" but {packed[0]}, which you may give itself" if packed else ""
    looked_for = f"{fashion_layouts.LOOKED_FOR}, or {image_files.LOOKED_FOR}"
    raise UserError(f"{path} holds no dataset{found}; looked for {looked_for}.")


def open_source(name: str, path: Path | None, *, cache: Path, options: Mapping[str, Any] | None = None) -> Source:
    """Open a dataset's rows by name; `options` go to the drawn datasets (such as `seed`).

    `fashion` without a path is the one fetched into `cache`. Raises UserError for an unknown name, for a path where
    none is taken, for none where one is needed, and for an option that the dataset does not take.
    """
    options = options or {}
    if name not in DATASETS:
        raise UserError(f"There is no dataset {name!r}{nearest(name, DATASETS)}; there are {', '.join(DATASETS)}.")
    if name in ("catalog", "digits"):
        if path is not None:
            raise UserError(f"The dataset {name!r} takes no path; leave --data out.")
        if name == "catalog":
            from benchmarks.data import catalog

            return catalog.open_source(**_fitting(catalog.open_source, name, options))
        from benchmarks.data import digits

        return digits.open_source(**_fitting(digits.open_source, name, options))
    if name in ("cifar10", "cifar100"):
        from benchmarks.data import cifar

        fitting = _fitting(cifar.open_source, name, options)
        if path is None:
            archive = cifar.EDITIONS[name].archive
            raise UserError(f"The dataset {name!r} needs --data PATH: {archive}, or the folder it unpacks to.")
        return cifar.open_source(name, path, **fitting)
    if name == "folder":
        from benchmarks.data import folder
        from benchmarks.data.layouts import image_files

        _fitting(folder.open_source, name, options)
        if path is None:
            raise UserError(f"The dataset 'folder' needs --data PATH: {image_files.LOOKED_FOR}.")
        return folder.open_source(path)
    from benchmarks.data import fashion

    _fitting(fashion.open_source, name, options)
    if path is None:
        path = fetched_folder(cache, name)
        if not path.exists():
            raise UserError(
                "The fashion dataset is not here yet; run `data fetch fashion`, or give it with --data PATH."
            )
    return fashion.open_source(path)


def _fitting(opener: Callable[..., Source], name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as they are; UserError for one that `opener` does not take, or of another type."""
    signature = inspect.signature(opener, eval_str=True)
    taken = {p.name: p.annotation for p in signature.parameters.values() if p.default is not p.empty}
    known = ", ".join(taken) or "none"
    for option, value in options.items():
        if option not in taken:
            hint = nearest(option, taken)
            raise UserError(f"The dataset {name!r} takes no option {option!r}{hint}; options that it takes: {known}.")
        wanted = (int, float) if taken[option] is float else taken[option]
        if not isinstance(value, wanted) or isinstance(value, bool):
            what = {int: "a whole number", float: "a number"}.get(taken[option], taken[option].__name__)
            raise UserError(f"The option {option!r} of the dataset {name!r} is {value!r}, expected {what}.")
    return dict(options)


def load(
    name: str,
    *,
    path: Path | None = None,
    size: int,
    cache: Path,
    on_progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> Loaded:
    """Load a dataset with its images at `size` x `size` pixels, decoded into `cache` the first time.

    `on_progress(done, total)` counts rows while images are decoded. Raises UserError as `open_source` and `decode` do.
    """
    source = open_source(name, path, cache=cache, options=options)
    return from_source(source, decode(source, size, cache / "decoded", on_progress), size)


def from_source(source: Source, decoded: Decoded, size: int) -> Loaded:
    """Join the rows of a source with its decoded images: rows without an image go, classes are numbered."""
    kept = decoded.kept_N.tolist()
    labels = [source.labels[row] for row in kept]
    train_N = source.train[decoded.kept_N]
    class_names = _class_names(labels, train_N)
    index = {name: i for i, name in enumerate(class_names)}
    met = decoded.meta
    return Loaded(
        name=source.name,
        ids=tuple(source.ids[row] for row in kept),
        texts=None if source.texts is None else tuple(source.texts[row] for row in kept),
        origin=source.origin,
        notes=(
            *source.notes,
            ("rows without an image, left out", met.missing),
            ("rows with an unreadable image, left out", met.unreadable),
            ("greyscale images, turned into RGB", met.greyscale),
        ),
        images_NHWC=decoded.images_NHWC,
        labels_N=np.array([index[label] for label in labels], dtype=np.int64),
        class_names=class_names,
        train_N=train_N,
        fingerprint=content_key([rows_key(source, kept), met.pixels, size]),
        size=size,
    )


def _class_names(labels: list[str], train_N: np.ndarray) -> tuple[str, ...]:
    """Return the classes by number of training rows, most first, ties by name; those without a training row last."""
    counts = Counter(label for label, trains in zip(labels, train_N.tolist(), strict=True) if trains)
    return tuple(sorted(set(labels), key=lambda name: (-counts[name], name)))
