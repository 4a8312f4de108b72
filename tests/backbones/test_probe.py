"""The probe: what it times, what it keeps."""

import json

import pytest
import torch
from torch import nn

from backbones.errors import BackboneError
from backbones.probe import Choice, autocast, probe
from backbones.registry import register_backbone
from tests.gpu_waits import pretend_cuda_calls, pretended_gpu


@pytest.fixture(autouse=True)
def built(own_registry):
    """Register a backbone that takes a millisecond a step; return the sizes it was built for."""
    built = []

    def builder(image_size):
        built.append(image_size)
        return nn.Conv2d(3, 8, 3)

    register_backbone("tiny", builder=builder, description="one convolution")
    return built


def _probe(cache_file, **changes):
    arguments = {"image_size": 32, "batch_size": 4, "device": "cpu", "seconds": 0.01, "cache_file": cache_file}
    return probe(**{"spec": "tiny", **arguments, **changes})


def test_the_fastest_variant_is_chosen_and_chosen_again_without_timing(tmp_path, built):
    cache_file = tmp_path / "deep" / "probe.json"
    state = torch.get_rng_state()
    first = _probe(cache_file)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(first.img_per_s) >= 2
    assert max(first.img_per_s.values()) == first.img_per_s[f"{first.layout} {first.dtype}"] > 0
    kept = cache_file.read_bytes()
    built.clear()
    assert _probe(cache_file) == first
    assert cache_file.read_bytes() == kept
    assert built == []
    assert [path.name for path in cache_file.parent.iterdir()] == ["probe.json"]


def test_what_is_kept_decides(tmp_path):
    cache_file = tmp_path / "probe.json"
    _probe(cache_file)
    known = json.loads(cache_file.read_text())
    (key,) = known
    assert key.startswith("tiny 32px batch 4 on ")
    assert torch.__version__ in key
    timed = {"contiguous float32": 2.0, "channels_last bfloat16": 1.0}
    at = "2026-01-02T03:04:05+00:00"
    cache_file.write_text(
        json.dumps({key: {"choice": "contiguous float32", "img_per_s": timed, "at": at, "busy": False}})
    )
    assert _probe(cache_file) == Choice("contiguous", "float32", timed, at)
    _probe(cache_file, batch_size=5, spec="tiny:mlp1")
    assert len(json.loads(cache_file.read_text())) == 2


def test_what_was_timed_under_load_is_timed_again_without_and_the_choice_stays(tmp_path, monkeypatch):
    cache_file = tmp_path / "probe.json"
    rates = iter([(2.0, 1.0), (3.0, 4.0), (5.0, 6.0), (7.0, 8.0)])
    names = ("contiguous float32", "channels_last float32")
    monkeypatch.setattr("backbones.probe.time_variants", lambda *_: dict(zip(names, next(rates), strict=True)))
    loaded = _probe(cache_file, busy=lambda: True)
    assert (loaded.layout, loaded.busy, loaded.img_per_s["contiguous float32"]) == ("contiguous", True, 2.0)
    assert _probe(cache_file, busy=lambda: True) == loaded, "no better moment"
    quiet = _probe(cache_file, busy=lambda: False)
    assert (quiet.layout, quiet.busy, quiet.img_per_s["channels_last float32"]) == ("contiguous", False, 4.0)
    assert _probe(cache_file, busy=lambda: True) == quiet, "what was timed in peace is kept"
    assert _probe(cache_file, again=True).layout == "channels_last"


def test_a_size_that_cannot_be_built_is_refused():
    with pytest.raises(BackboneError, match="75 px"):
        _probe(None, spec="inception_v3", image_size=64)


@pytest.mark.parametrize(("dtype", "expected"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_autocast_computes_in_the_chosen_precision(dtype, expected):
    with autocast(Choice("channels_last", dtype), "cpu"):
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == expected


def test_bfloat16_is_not_timed_where_a_strided_convolution_meets_a_single_pixel(monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True})
    layers = [nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.Conv2d(8, 8, 3, stride=2, padding=1)]
    register_backbone("strided", builder=lambda image_size: nn.Sequential(*layers), description="two convolutions")
    assert "channels_last bfloat16" in _probe(None, spec="strided", image_size=8).img_per_s
    assert "channels_last bfloat16" not in _probe(None, spec="strided", image_size=4).img_per_s
    assert "channels_last bfloat16" not in _probe(None, spec="strided", image_size=8, smallest_size=4).img_per_s


def test_a_size_to_grow_from_that_the_encoder_cannot_take_is_said():
    register_backbone("wide", builder=lambda image_size: nn.Conv2d(3, 8, 9), description="a wide convolution")
    with pytest.raises(BackboneError, match="wide cannot take images of 8 px, from which the recipe grows"):
        _probe(None, spec="wide", smallest_size=8)


def test_a_gpu_with_bfloat16_is_timed_in_the_one_variant_that_it_uses(tmp_path, monkeypatch):
    pretend_cuda_calls(monkeypatch)
    with pretended_gpu():
        choice = _probe(tmp_path / "probe.json", device="cuda")
    assert (choice.layout, choice.dtype) == ("channels_last", "bfloat16")
    assert list(choice.img_per_s) == ["channels_last bfloat16"] and choice.img_per_s["channels_last bfloat16"] > 0
    assert "on NVIDIA H200" in (tmp_path / "probe.json").read_text()


def test_a_gpu_without_room_for_the_batch_has_the_same_choice_and_no_time(tmp_path, monkeypatch):
    class Full(nn.Conv2d):
        def forward(self, images_BCHW):
            if len(images_BCHW) > 1:
                raise torch.OutOfMemoryError("pretended")
            return super().forward(images_BCHW)

    register_backbone("full", builder=lambda image_size: Full(3, 8, 3), description="too large")
    pretend_cuda_calls(monkeypatch)
    with pretended_gpu():
        assert _probe(tmp_path / "probe.json", spec="full", device="cuda") == Choice("channels_last", "bfloat16")
    assert not (tmp_path / "probe.json").exists()


@pytest.mark.parametrize("timed", [[], {}, {"a": 1.0}, {"contiguous float32": "fast"}, None])
def test_what_was_kept_and_spoilt_is_timed_again(tmp_path, timed):
    cache_file = tmp_path / "probe.json"
    _probe(cache_file)
    (key,) = json.loads(cache_file.read_text())
    kept = {"choice": "contiguous float32", "at": "2026-01-02T03:04:05+00:00", "busy": False}
    spoilt = ({key: timed}, [timed], {key: {**kept, "img_per_s": timed}}, {key: {**kept, "img_per_s": {}}})
    for text in ('{"half a', *map(json.dumps, spoilt)):
        cache_file.write_text(text)
        assert len(_probe(cache_file).img_per_s) >= 2


def test_an_outcome_that_cannot_be_kept_is_a_sentence_that_says_what_to_do(tmp_path):
    (tmp_path / "probe.json").mkdir()
    with pytest.raises(BackboneError, match="cannot be kept in .*probe.json .Is a directory.; fix this"):
        _probe(tmp_path / "probe.json")
    assert [path.name for path in tmp_path.iterdir()] == ["probe.json"]
