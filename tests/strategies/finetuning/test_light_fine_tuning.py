"""Light fine-tuning through the trainer: what changes, how it starts, what is refused, and what an export holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from benchmarks.cli import main
from benchmarks.records import storage
from benchmarks.records.hits import hits, per_class
from benchmarks.running.job import begin
from benchmarks.training.features import features_of_rows
from strategies.base import Batch, Facts, Outputs, Progress, Step
from strategies.combining.expression import parse
from tests.making import digits_session, digits_suite
from tests.process import write_suite
from tests.strategies.schedules.test_schedules import run_cell
from tests.tools.test_export import onnx_outputs, scored_rows

VIT = "test_vit"
CASES = pytest.mark.parametrize(("text", "backbone"), [("bn-only", "test_resnet"), ("adapters", VIT), ("lora", VIT)])
STANDING_STILL = {"learning_rate": 1e-9, "weight_decay": 0.0, "epochs": {"head": 1, "tail": 1}}


@CASES
def test_the_classifier_starts_at_the_class_means_of_the_first_features(
    tmp_path: Path, text: str, backbone: str
) -> None:
    session = digits_session(tmp_path, digits_suite(STANDING_STILL, backbones=[backbone]), strategies=(text,))
    features_NF, labels_N = features_of_rows(begin(session.context, next(iter(session.plan.jobs.values()))))
    *_, state = run_cell(session)
    assert float(state["classifier.scale"]) == 25
    for label in range(5):
        mean_F = features_NF[labels_N == label].astype(np.float64).mean(0)
        started = state["classifier.weight_CF"][label].double().numpy()
        np.testing.assert_allclose(started, mean_F / np.linalg.norm(mean_F), rtol=1e-3, atol=1e-5)


@CASES
def test_the_rest_of_the_encoder_stays_as_it_was(tmp_path: Path, text: str, backbone: str) -> None:
    suite = digits_suite({"epochs": {"head": 1, "tail": 1}}, backbones=[backbone])
    session = digits_session(tmp_path, suite, strategies=(text,))
    training = begin(session.context, next(iter(session.plan.jobs.values())))
    before = {name: tensor.clone() for name, tensor in training.network.state_dict().items()}
    free = {name for name, p in training.network.named_parameters() if p.requires_grad}
    *_, after = run_cell(session)
    changed = {name for name, tensor in before.items() if name in after and not torch.equal(tensor, after[name])}
    moving = {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert changed <= free | moving, "nothing frozen moves"
    assert {name.partition(".")[0] for name in changed} == {"encoder", "classifier"}


def test_logits_are_adjusted_by_the_class_prior() -> None:
    facts, z_BC = Facts((90, 9, 1), ("a", "b", "c")), torch.randn(2, 3).double()
    batch = Batch(torch.zeros(2, 3, 1, 1), torch.tensor([0, 2]), torch.eye(3)[[0, 2]])
    step = Step(facts, Progress(0, 1), torch.ones(3), torch.Generator())
    for text in ("bn-only", "adapters", "lora"):
        adjusted_BC = parse(text).train_logits(Outputs(z_BC, torch.zeros(2, 0)), batch, step)
        np.testing.assert_allclose(adjusted_BC.numpy(), z_BC.numpy() + np.log([0.9, 0.09, 0.01]), rtol=1e-9)


@pytest.mark.parametrize(
    ("strategy", "backbone", "sentence"),
    [
        ("adapters", "test_resnet", "adapters cannot run: test_resnet has no transformer blocks; choose another"),
        ("lora+mixup", "test_resnet", "lora+mixup cannot run: test_resnet has no transformer blocks"),
        ("bn-only", VIT, "bn-only cannot run: test_vit has no batch normalisation; choose another backbone"),
    ],
)
def test_what_a_network_lacks_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    strategy: str, backbone: str, sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    asked = ["--suite", write_suite(tmp_path).name, "--backbone", backbone, "--device", "cpu"]
    assert main(["plan", "--strategy", strategy, *asked]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {sentence}") and said.count("\n") == 1


def test_where_another_backbone_has_it_only_the_others_leave_it_out(tmp_path: Path) -> None:
    suite = digits_suite(backbones=["test_resnet", VIT])
    plan = digits_session(tmp_path, suite, strategies=("none", "adapters", "bn-only")).plan
    assert [(cell.backbone, cell.strategy) for cell in plan.cells] == [
        ("test_resnet", "none"), ("test_resnet", "bn-only"), (VIT, "none"), (VIT, "adapters"),
    ]  # fmt: skip
    assert plan.left_out == (
        "adapters is left out on test_resnet: it has no transformer blocks.",
        "bn-only is left out on test_vit: it has no batch normalisation.",
    )


def test_merged_updates_are_exported_as_a_plain_timm_model_and_adapters_as_a_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    suite = write_suite(tmp_path, epochs=2).name
    asked = ["--suite", suite, "--protocol", "joint", "--threads", "1", "--device", "cpu"]
    assert main(["run", "--backbone", VIT, "--strategy", "lora,adapters", *asked]) == 0
    images_NHWC, labels_N = scored_rows()
    for strategy in ("lora", "adapters"):
        assert main(["export", f"{VIT}|{strategy}|0", "--suite", suite, "--to", strategy]) == 0
        logits_NC = onnx_outputs(tmp_path / strategy, images_NHWC)["logits"]
        record = storage.read(next(tmp_path.glob(f"runs/*/records/{VIT}/{strategy}-seed0.json")))
        assert per_class(hits(logits_NC, labels_N, 1), labels_N, 10) == record.stages[0].top1_hits
    weights = load_file(tmp_path / "lora" / "weights.safetensors")
    loaded = timm.create_model(VIT, num_classes=0, img_size=16).load_state_dict(weights, strict=False)
    assert not loaded.missing_keys and all(name.startswith("classifier.") for name in loaded.unexpected_keys)
    assert any(name.endswith("mlp.adapter.up.weight") for name in load_file("adapters/weights.safetensors"))
