"""Load a dataset by name and path as `Loaded`; the folders of the cache."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.base import Loaded, Source
from benchmarks.data.checks.check import Check, check, stored
from benchmarks.data.decoded.cache import Decoded, decode, rows_key
from benchmarks.data.layouts.given import require_readable
from benchmarks.data.layouts.tables.hugging_face import is_hub_name
from benchmarks.data.registry import datasets, get
from benchmarks.data.split import redraw
from benchmarks.support.errors import UserError
from benchmarks.support.keys import content_key


def cache_folder() -> Path:
    """Return the folder of decoded and fetched data: $BENCHMARKS_CACHE, else below the system's cache folder.

    On Linux that is $XDG_CACHE_HOME/imbalance-benchmarks, by default ~/.cache/imbalance-benchmarks.
    """
    if chosen := os.environ.get("BENCHMARKS_CACHE"):
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("imbalance-benchmarks", appauthor=False)


def fetched_folder(cache: Path, name: str) -> Path:
    """Return where `data fetch NAME` puts the dataset; it exists only once it is complete."""
    return cache / "fetched" / name


def detect(path: Path) -> str:
    """Return the name of the first dataset whose `recognise` accepts `path`.

    A Hugging Face data set is a "folder", by name or as files. Raises UserError for a path that does not
    exist, cannot be read, or that no dataset recognises.
    """
    if is_hub_name(path):
        return "folder"
    recognising = sorted((entry for entry in datasets() if entry.recognise), key=lambda entry: entry.asked_last)
    looked_for = ", or ".join(entry.expects for entry in recognising)
    require_readable(path, looked_for)
    for entry in recognising:
        if entry.recognise and entry.recognise(path):
            return entry.name
    packed = [file.name for file in sorted(path.glob("*.zip"))]
    found = f" but {packed[0]}; give that file instead" if packed else ""
    raise UserError(f"{path} holds no dataset{found}; looked for {looked_for}.")


def open_source(name: str, path: Path | None, *, cache: Path, options: Mapping[str, Any] | None = None) -> Source:
    """Open a dataset's rows by name, with the dataset's own `options` (such as `seed`).

    Without a path, a dataset that can be fetched is opened from `cache`. Raises UserError for an unknown name, a
    missing path, a path given to a dataset that takes none, and an option that the dataset does not take.
    """
    entry, options = get(name), options or {}
    entry.check_options(options)
    if not entry.takes_path:
        if path is not None:
            raise UserError(f"The dataset {name!r} takes no path; leave --data out.")
        return entry.open(**options)
    if path is None and entry.fetch is None:
        raise UserError(f"The dataset {name!r} needs --data PATH: {entry.expects}.")
    if path is None:
        path = fetched_folder(cache, name)
        if not path.exists():
            raise UserError(
                f"The dataset {name!r} is not here yet; run `data fetch {name}`, or give it with --data PATH."
            )
    return entry.open(path=path, **options)


def load(
    name: str,
    *,
    path: Path | None = None,
    size: int,
    cache: Path,
    advance: Callable[[str, int, int], None] = lambda what, done, total: None,
    say: Callable[[str], None] | None = None,
    options: Mapping[str, Any] | None = None,
    split: int = 0,
    resample: bool = False,
) -> Loaded:
    """Load a dataset with its images at `size` x `size` pixels, decoded into `cache` the first time.

    `advance(what, done, total)` counts rows while images are decoded and checked. `say` gets one line per problem
    that the first check finds; without it nothing is checked, and notes count what an earlier check found. `split`: 0
    for the data's own, from 1 for redrawn ones; `resample`: redrawn splits will follow. Raises UserError as
    `open_source` and `decode` do, and if splits of data with a fixed split are to be redrawn.
    """
    source = open_source(name, path, cache=cache, options=options)
    if source.fixed_split and (split or resample):
        raise UserError(
            f"{source.origin} comes with its own training and test rows, so no other split of it may be drawn; leave "
            "--resample-splits out."
        )
    decoded = decode(source, size, cache / "decoded", functools.partial(advance, "decoding"))
    found = stored(_folder(decoded))
    if found is None and say is not None and get(name).takes_path:  # built-in data are not checked
        found = _check(source, decoded, advance)
        for problem in found.problems:
            say(f"{problem.line()}.")
        if found.problems:
            say("`data check` names all of them.")
    return from_source(source, decoded, size, split, found)


def checked(
    name: str,
    *,
    path: Path | None = None,
    size: int,
    cache: Path,
    advance: Callable[[str, int, int], None] = lambda what, done, total: None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Source, Check]:
    """Return a dataset's rows and the check of its images, which are decoded as `load` does."""
    source = open_source(name, path, cache=cache, options=options)
    decoded = decode(source, size, cache / "decoded", functools.partial(advance, "decoding"))
    return source, stored(_folder(decoded)) or _check(source, decoded, advance)


def _check(source: Source, decoded: Decoded, advance: Callable[[str, int, int], None]) -> Check:
    """Check the data and store what is found with their decoded images."""
    return check(source, decoded, _folder(decoded), functools.partial(advance, "checking"))


def _folder(decoded: Decoded) -> Path:
    """Return the folder of decoded images."""
    return Path(decoded.images_NHWC.filename).parent  # type: ignore[attr-defined]  # `decode` returns a memory map


def from_source(source: Source, decoded: Decoded, size: int, split: int = 0, checked: Check | None = None) -> Loaded:
    """Join the rows of a source with its decoded images: drop rows without an image, number the classes."""
    kept = decoded.kept_N.tolist()
    labels = [source.labels[row] for row in kept]
    train_N = source.train[decoded.kept_N]
    class_names = _class_names(labels, train_N)
    index = {name: i for i, name in enumerate(class_names)}
    labels_N, ids = np.array([index[label] for label in labels], dtype=np.int64), [source.ids[row] for row in kept]
    meta = decoded.meta
    return Loaded(
        name=source.name,
        ids=tuple(ids),
        texts=None if source.texts is None else tuple(source.texts[row] for row in kept),
        origin=source.origin,
        notes=(
            *source.notes,
            ("rows without an image, left out", meta.missing),
            ("rows with an unreadable image, left out", meta.unreadable),
            ("greyscale images, turned into RGB", meta.greyscale),
            *(checked.notes if checked else ()),
        ),
        images_NHWC=decoded.images_NHWC,
        labels_N=labels_N,
        class_names=class_names,
        train_N=redraw(labels_N, train_N, ids, split) if split else train_N,
        fingerprint=content_key([rows_key(source, kept), meta.pixels, size]),
        size=size,
    )


def _class_names(labels: list[str], train_N: np.ndarray) -> tuple[str, ...]:
    """Return the classes by number of training rows, most first, ties by name; those without a training row last."""
    counts = Counter(label for label, trains in zip(labels, train_N.tolist(), strict=True) if trains)
    return tuple(sorted(set(labels), key=lambda name: (-counts[name], name)))
