"""Names and specs, without torch."""

import importlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbones import registry
from backbones.errors import BackboneError
from backbones.registry import list_backbones, list_classifiers, parse, register_backbone, register_classifier


def test_listing_and_reading_registered_names_imports_neither_torch_nor_timm():
    code = (
        "import sys; from backbones.registry import list_backbones, list_classifiers, load_entry_points, parse\n"
        "print(len(list_backbones()), len(list_classifiers()), load_entry_points(), parse('resnet50:mlp2'))\n"
        "print([m for m in ('torch', 'timm') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == [f"{len(list_backbones())} {len(list_classifiers())} [] resnet50:mlp2", "[]"]


def test_the_issues_backbones_and_classifiers_are_there():
    named = (
        "resnet50 inception_v3 resnext50 convnext_tiny efficientnet_b0 efficientnet_lite0 efficientnet_lite1 "
        "efficientnet_lite2 mobilenetv3 vit_small swin_tiny regnety "
        "resnet10t resnet18 mobilenetv3_small resnet32 vit_mini"
    )
    assert [name for name, _ in list_backbones()] == named.split()
    assert [name for name, _ in list_classifiers()] == ["linear", "mlp1", "mlp2", "mlp3", "cosine", "attention"]
    assert all(text and "\n" not in text for _, text in list_backbones() + list_classifiers())


@given(
    st.sampled_from([name for name, _ in list_backbones()]),
    st.sampled_from(["", *(name for name, _ in list_classifiers())]),
    st.sampled_from(["", " ", "  "]),
)
def test_the_canonical_text_reads_back_as_itself(name, classifier, space):
    spec = parse(f"{space}{name}{space}" + (f":{space}{classifier}" if classifier else ""))
    assert str(spec) == (name if classifier in ("", "linear") else f"{name}:{classifier}")
    assert parse(str(spec)) == spec


def test_timm_names_need_no_registering():
    assert str(parse("resnet26t:cosine")) == "resnet26t:cosine"
    assert parse("vit_tiny_patch16_224.augreg_in21k").backbone.timm_name == "vit_tiny_patch16_224.augreg_in21k"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("resnet5O", "did you mean 'resnet50'"),
        ("mobilnetv3", "'mobilenetv3'"),
        ("resnet50:mpl2", "did you mean 'mlp2'"),
        ("resnet50:", "expected one of linear, mlp1"),
        ("resnet50:mlp2:mlp2", "unknown classifier 'mlp2:mlp2'"),
        ("", "unknown backbone ''"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(spec, said):
    with pytest.raises(BackboneError) as refusal:
        parse(spec)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_registering_refuses_what_could_not_be_asked_for(own_registry):
    register_backbone("mine", timm_name="resnet10t", description="mine")
    assert str(parse("mine:mlp1")) == "mine:mlp1"
    for name in ("mine", "resnet50", "a:b", "", " a"):
        with pytest.raises(BackboneError):
            register_backbone(name, timm_name="resnet10t", description="")
    with pytest.raises(BackboneError, match="exactly one"):
        register_backbone("neither", description="")
    with pytest.raises(BackboneError, match="registered already"):
        register_classifier("linear", lambda f, c: None, description="")


def test_a_plugin_that_fails_is_named_and_the_others_load(own_registry, tmp_path, monkeypatch):
    (tmp_path / "good_plugin.py").write_text(
        "from backbones.registry import register_backbone\n"
        "def register():\n    register_backbone('from_plugin', timm_name='resnet10t', description='x')\n"
    )
    info = tmp_path / "plugins-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[benchmarks.backbones]\nbroken = no_such_module\ngood = good_plugin:register\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    problems = registry.load_entry_points()
    assert len(problems) == 1
    assert "'broken'" in problems[0]
    assert "no_such_module" in problems[0]
    assert parse("from_plugin").backbone.timm_name == "resnet10t"
