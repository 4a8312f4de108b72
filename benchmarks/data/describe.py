"""The lines that `data info` prints about a dataset."""

from __future__ import annotations

import numpy as np
from tabulate import tabulate

from benchmarks.data.base import Loaded
from benchmarks.data.text.words import names_class


def lines(loaded: Loaded, head_classes: int, *, per_class: bool = False) -> list[str]:
    """Return a few lines: rows and classes of head, tail and unseen classes, and the source's notes.

    `per_class` adds a table of all classes, most training rows first. If products have names, both show in what
    share of the rows the name contains the class's own words.
    """
    classes = len(loaded.class_names)
    train_C = np.bincount(loaded.labels_N[loaded.train_N], minlength=classes)
    test_C = np.bincount(loaded.labels_N[~loaded.train_N], minlength=classes)
    groups = _groups(train_C, head_classes)
    rows = [
        [name, int(m.sum()), int(train_C[m].sum()), int(test_C[m].sum()), int((test_C[m] == 0).sum())]
        for name, m in groups
    ]
    headers = ["classes", "number", "training rows", "test rows", "without test rows"]
    total_C, telling_C = train_C + test_C, telling(loaded, np.arange(len(loaded.ids)))
    if loaded.texts is not None:
        headers.append("name tells class")
        rows = [[*row, _share(telling_C[m].sum(), total_C[m].sum())] for row, (_, m) in zip(rows, groups, strict=True)]
    found = [
        f"{loaded.name}: {len(loaded.ids)} rows, {classes} classes, decoded at {loaded.size} px, from {loaded.origin}",
        f"fingerprint {loaded.fingerprint}, product names: {'yes' if loaded.texts is not None else 'no'}",
        "",
        *tabulate(rows, headers, tablefmt="simple").splitlines(),
        *(["", *(f"{count} {what}" for what, count in loaded.notes)] if loaded.notes else []),
    ]
    if per_class:
        which = {c: name for name, mask_C in groups for c in np.flatnonzero(mask_C).tolist()}
        table = [[loaded.class_names[c], which[c], train_C[c], test_C[c]] for c in range(classes)]
        columns = ["class", "group", "training rows", "test rows"]
        if loaded.texts is not None:
            columns.append("name tells class")
            table = [[*row, _share(telling_C[c], total_C[c])] for c, row in enumerate(table)]
        found += ["", *tabulate(table, columns, tablefmt="simple").splitlines()]
    return found


def telling(loaded: Loaded, rows_N: np.ndarray) -> np.ndarray:
    """Return for each class how many of the rows have a name with all of the class's own words, int64 [C]."""
    if loaded.texts is None:
        return np.zeros(len(loaded.class_names), dtype=np.int64)
    labels_N = loaded.labels_N[rows_N]
    pairs = zip(rows_N.tolist(), labels_N.tolist(), strict=True)
    told_N = np.array([names_class(loaded.texts[row], loaded.class_names[label]) for row, label in pairs], dtype=bool)
    return np.bincount(labels_N[told_N], minlength=len(loaded.class_names))


def _share(part: int, whole: int) -> str:
    """Return a percentage; an empty string if the total is 0."""
    return f"{100 * part / whole:.0f} %" if whole else ""


def _groups(train_C: np.ndarray, head_classes: int) -> list[tuple[str, np.ndarray]]:
    """Return head, tail and unseen as masks over the classes, which are sorted by training rows."""
    seen_C = train_C > 0
    head_C = seen_C & (np.arange(len(train_C)) < head_classes)
    return [("head", head_C), ("tail", seen_C & ~head_C), ("unseen", ~seen_C)]
