from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.data import digits, registry
from benchmarks.data.base import Source
from benchmarks.support.errors import UserError


def test_every_built_in_dataset_is_registered_under_its_name() -> None:
    assert {"catalog", "cifar10", "cifar100", "digits", "fashion", "folder"} <= set(registry.names())
    assert registry.names() == sorted(registry.names())
    assert registry.get("digits").open is digits.open_source


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match=r"There is no dataset 'digit' \(did you mean 'digits'\?\); there are catalog,"):
        registry.get("digit")


def test_options_are_the_parameters_with_a_default() -> None:
    assert registry.get("cifar10").options == {"imbalance": float, "seed": int}
    assert registry.get("folder").options == {"image_root": str, "label_column": str, "image_column": str}
    assert registry.get("fashion").options == {}


def _with_path(path: Path) -> Source: ...


def _without(seed: int = 0) -> Source: ...


@pytest.mark.parametrize(
    ("name", "opener", "expects", "message"),
    [
        ("digits", _without, "", "the dataset 'digits' is registered already"),
        ("My Data", _without, "", "'My Data' cannot name a dataset"),
        ("mine", _with_path, "", "'mine' must have both a parameter `path` and `expects`, or neither"),
        ("mine", _without, "a folder", "'mine' must have both"),
    ],
)
def test_what_cannot_be_registered(name: str, opener: Callable[..., Source], expects: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        registry.dataset(name, "summary", expects=expects)(opener)
    assert "mine" not in registry.names()


def test_listing_datasets_imports_nothing_heavy() -> None:
    code = (
        "import sys; from benchmarks.data.registry import names; names()\n"
        "print({'torch', 'timm', 'cv2', 'pyarrow', 'sklearn', 'pandas', 'huggingface_hub'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
