"""Every suite of the package can be planned on its data, without decoding or training anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backbones.probe import Choice
from benchmarks.data.decoded.cache import Decoded, Meta
from benchmarks.data.load import cache_folder, from_source, open_source
from benchmarks.running import session, usable
from benchmarks.suites import suite
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError
from strategies.combining.expression import parse
from strategies.combining.seats import corrected_twice
from strategies.registry import names
from tests.conftest import REAL_DATA

META = Meta("", "", (), (), 0, 0, 0, "")


def _path(asked: Suite, folder: Path) -> Path | None:
    """Return where the suite's data lies; skip where it is absent."""
    if asked.dataset == "folder":
        for name in (f"{label}/{i}.png" for label in range(24) for i in range(30)):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"")
        return folder
    if asked.dataset in ("catalog", "digits"):
        return None
    if asked.dataset != "fashion" or not REAL_DATA.is_dir():
        pytest.skip(f"the data of {asked.name} ({asked.dataset}) is not here")
    return REAL_DATA


@pytest.mark.parametrize("name", suite.names())
def test_a_suite_of_the_package_can_be_planned(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = suite.load(name)
    source = open_source(asked.dataset, _path(asked, tmp_path), cache=cache_folder(), options=asked.options)
    size, rows_N = asked.recipe.image_size, np.arange(len(source.ids))
    loaded = from_source(source, Decoded(np.empty((0, size, size, 3), np.uint8), rows_N, META), size)
    monkeypatch.setattr(session, "load", lambda *_, **__: loaded)
    monkeypatch.setattr(usable, "first_weights", lambda *_: None)  # it would fetch them
    said: list[str] = []
    request = session.Request(
        suite=asked, device="cpu", out=tmp_path / "runs", choose=lambda *_: Choice("channels_last", "float32")
    )
    plan = session.open_session(request, said.append, lambda *_: None).plan
    assert plan.cells and plan.jobs
    assert not [line for line in said if "left out" in line]


@pytest.mark.parametrize(("name", "diversity"), [("cifar10-lt", 0.2), ("cifar100-lt", 0.45)])
def test_the_long_tailed_suites_have_the_methods_of_the_literature(name: str, diversity: float) -> None:
    parts = {part.name: part for text in suite.load(name).strategies for part in parse(text).parts()}
    assert {
        "ride", "sade", "cmo", "mislas", "seesaw", "influence-balanced", "label-aware-smoothing", "lws",
        "weight-balancing", "crt", "ldam", "drw", "balanced-softmax", "bcl", "proco", "glmc", "h2t",
    } <= set(parts)  # fmt: skip
    assert not any("validation" in part.needs for part in parts.values()), "nothing is held back for validation"
    assert parts["ride"].parameters()["diversity"] == diversity


def test_every_strategy_is_in_a_suite_that_needs_neither_gpu_nor_download() -> None:
    small = [suite.load(name) for name in suite.names()]
    small = [one for one in small if one.dataset in ("catalog", "digits")]
    assert {part.name for one in small for text in one.strategies for part in parse(text).parts()} == set(names())


@pytest.mark.parametrize("name", suite.names())
def test_no_suite_corrects_for_the_class_counts_twice(name: str) -> None:
    assert not [line for text in suite.load(name).strategies for line in corrected_twice(parse(text))]


def test_a_suite_file_does_not_choose_the_split(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"split = 1\n{suite.source('digits')}")
    with pytest.raises(UserError, match="ask for other splits by --resample-splits"):
        suite.load(str(file))
