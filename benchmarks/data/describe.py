"""What `data info` says of a dataset."""

from __future__ import annotations

import numpy as np
from tabulate import tabulate

from benchmarks.data.base import Loaded


def lines(loaded: Loaded, head_classes: int, *, per_class: bool = False) -> list[str]:
    """Return a dataset in a few lines: rows and classes of head, tail and unseen, and its oddities.

    `per_class` adds a table of all classes, most training rows first.
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
        found += [
            "",
            *tabulate(table, ["class", "group", "training rows", "test rows"], tablefmt="simple").splitlines(),
        ]
    return found


def _groups(train_C: np.ndarray, head_classes: int) -> list[tuple[str, np.ndarray]]:
    """Return head, tail and unseen as masks over the classes, which are sorted by training rows."""
    seen_C = train_C > 0
    head_C = seen_C & (np.arange(len(train_C)) < head_classes)
    return [("head", head_C), ("tail", seen_C & ~head_C), ("unseen", ~seen_C)]
