"""A trained cell becomes a folder that plain timm, ONNX Runtime and `predict` read; other folders are refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import timm
import torch
from huggingface_hub import RepoUrl
from safetensors.torch import load_file
from torch import nn

import benchmarks
from backbones.network import Network, build
from backbones.registry import register_backbone
from backbones.strategy_layers.experts import SideBySide, split
from benchmarks.cli import main
from benchmarks.data.load import cache_folder, load
from benchmarks.planning.store import Store
from benchmarks.records import storage
from benchmarks.records.hits import hits, per_class
from benchmarks.support.errors import UserError
from benchmarks.tools.export import export, hub
from benchmarks.tools.export.graph import Classify, deviation, to_onnx
from benchmarks.tools.export.posthoc import Correction, correction_of
from benchmarks.tools.export.refuse import require_one_network
from benchmarks.tools.export.tensors import Tensors, folded, tensors_of
from benchmarks.training.stored import extractor
from strategies.base import Facts, Outputs, Strategy
from strategies.combining.expression import parse
from strategies.posthoc.calibration import log_softmax, temperature
from tests.process import environment, write_suite
from tests.records.test_record import reseal
from tests.test_safe_input import Bomb

POSTHOC, CRT = "test_resnet|logit-adjust-posthoc|0", "test_resnet|crt|0"
RECIPE = "flip_test = true"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a suite, a joint run of two strategies, and a model of one."""
    folder = tmp_path_factory.mktemp("exported")
    suite = write_suite(folder, epochs=4, recipe=RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        asked = ["--suite", suite.name, "--protocol", "joint", "--threads", "1", "--device", "cpu"]
        assert main(["run", "--backbone", "test_resnet", "--strategy", "logit-adjust-posthoc,crt", *asked]) == 0
        assert main(["export", POSTHOC, "--suite", suite.name, "--to", "model"]) == 0
    return folder


@pytest.fixture
def model(place: Path, tmp_path: Path) -> Path:
    """Return a copy of the model, to be damaged."""
    return Path(shutil.copytree(place / "model", tmp_path / "model"))


@pytest.fixture(scope="module")
def photos(place: Path) -> Path:
    """Return a folder with six images of digits, one file that is none, and a text."""
    folder = place / "photos"
    (folder / "more").mkdir(parents=True)
    images_NHWC = load("digits", size=16, cache=cache_folder()).images_NHWC
    for row in range(6):
        cv2.imwrite(str(folder / ("more" if row == 5 else ".") / f"{row}.png"), images_NHWC[row][:, :, ::-1])
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    return folder


def record_of(place: Path, strategy: str):
    return storage.read(next(place.glob(f"runs/*/records/test_resnet/{strategy}-seed0.json")))


def scored_rows() -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of all test rows, in the order of the classes of the records."""
    loaded = load("digits", size=16, cache=cache_folder())
    rows = np.flatnonzero(~loaded.train_N)
    return np.array(loaded.images_NHWC[rows]), loaded.labels_N[rows]


def onnx_outputs(folder: Path, images_NHWC: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images_NHWC}), strict=True))


def timm_logits(folder: Path, images_NHWC: np.ndarray, *, mirror: bool) -> np.ndarray:
    """Return what plain timm computes from the exported weights; `mirror`: the mean over an image and its mirror."""
    network = timm.create_model("test_resnet", num_classes=10).eval()
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    prepared = json.loads((folder / "preprocessing.json").read_text())
    mean_C, std_C = (torch.tensor(prepared[name]).view(3, 1, 1) for name in ("mean", "std"))
    pixels_BCHW = (torch.from_numpy(images_NHWC).permute(0, 3, 1, 2) / 255 - mean_C) / std_C
    with torch.no_grad():
        logits_BC = network(pixels_BCHW)
        return ((logits_BC + network(pixels_BCHW.flip(3))) / 2 if mirror else logits_BC).numpy()


def test_the_model_scores_as_the_record_says_and_its_weights_load_in_plain_timm(place: Path) -> None:
    stage = record_of(place, "logit-adjust-posthoc").stages[0]
    images_NHWC, labels_N = scored_rows()
    given = onnx_outputs(place / "model", images_NHWC)
    labels = json.loads((place / "model" / "labels.json").read_text())
    assert tuple(labels) == stage.classes
    assert per_class(hits(given["logits"], labels_N, 1), labels_N, 10) == stage.top1_hits

    logits_BC = timm_logits(place / "model", images_NHWC[:9], mirror=True)  # the recipe's flip_test
    np.testing.assert_allclose(given["logits"][:9], logits_BC, atol=1e-4 * float(np.abs(logits_BC).max()))


def test_log_priors_and_the_temperature_of_the_validation_rows_are_folded_in(place: Path) -> None:
    record = record_of(place, "logit-adjust-posthoc")
    stage, key = record.stages[0], record.stages[0].jobs[-1]
    stored = Store(place / "runs").predictions(key)
    prior_C = np.log(np.array(stage.train_n) / sum(stage.train_n))
    images_NHWC, _ = scored_rows()
    given = onnx_outputs(place / "model", images_NHWC)
    np.testing.assert_allclose(given["logits"], stored["test"] - prior_C, atol=1e-3)

    calibration = json.loads((place / "model" / "calibration.json").read_text())
    held_NC = stored["validation"] - prior_C
    session = benchmarks.plan(place / "tiny.toml", strategies=["none"], protocol="joint", out=place / "x", device="cpu")
    joint = session.context.stages[0]
    expected = temperature(held_NC, joint.labels_N[joint.data.validation_rows])
    assert calibration["validation_rows"] == len(held_NC) == sum(stage.validation_n)
    assert all(factor == 1 for factor in calibration["scale"]) and not any(calibration["shift"])  # in the weights
    degrees = calibration["temperature"]
    np.testing.assert_allclose(given["probabilities"], np.exp(log_softmax(given["logits"], degrees)), atol=1e-5)
    assert degrees == pytest.approx(expected, rel=1e-3) and degrees != 1


def test_the_card_says_how_good_it_is_and_how_it_was_made(place: Path) -> None:
    record = record_of(place, "logit-adjust-posthoc")
    card = (place / "model" / "README.md").read_text()
    stage = record.stages[0]
    assert record.setup.fingerprint in card and record.key in card
    graph = (place / "model" / "model.onnx").read_bytes()
    assert str(Path(benchmarks.__file__).parent).encode() not in graph  # nor any other path of this machine
    for name, train, test, right in zip(stage.classes, stage.train_n, stage.test_n, stage.top1_hits, strict=True):
        assert re.search(
            rf"^\| {name} +\| +{train} \| +{test} \| +{right / test:.3f} \| +\[0\.\d+, [01]\.\d+\]", card, re.M
        )
    (command,) = re.findall(r"^python -m benchmarks (run .*)$", card, re.MULTILINE)
    assert "--suite tiny.toml --backbone test_resnet --strategy logit-adjust-posthoc --seeds 1" in command
    assert "--protocol joint" in command


def blocked(*modules: str) -> str:
    """Return code after which importing the modules fails."""
    return f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ImportError(name + " is blocked here")
sys.meta_path.insert(0, Block())
"""


def test_the_card_s_code_needs_neither_torch_nor_timm_nor_this_package(place: Path, photos: Path, model: Path) -> None:
    (code, _) = re.findall(r"```python\n(.*?)```", (model / "README.md").read_text(), re.DOTALL)
    shutil.copy(photos / "0.png", model / "image.jpg")
    block = blocked("torch", "timm", "benchmarks", "backbones", "strategies")
    done = subprocess.run(
        [sys.executable, "-c", block + code], cwd=model, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    label, probability = done.stdout.split()
    (row,) = benchmarks.predict(model, photos / "0.png", top=1).to_dict("records")
    assert (row["class"], round(row["probability"], 4)) == (label, round(float(probability), 4))


def test_a_stage_whose_state_was_removed_is_trained_again_and_the_store_stays_as_it_is(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    stage = record_of(place, "crt").stages[0]
    assert not Store(place / "runs").state(stage.jobs[-1]).exists()
    monkeypatch.setattr(export, "to_onnx", lambda *_: b"")  # takes seconds; the weights say what was trained
    before = {path: path.stat().st_mtime_ns for path in (place / "runs").rglob("*")}
    assert main(["export", CRT, "--suite", "tiny.toml", "--to", str(tmp_path / "crt")]) == 0
    assert "was removed after its run; training it again (" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (place / "runs").rglob("*")} == before
    images_NHWC, labels_N = scored_rows()
    logits_NC = timm_logits(tmp_path / "crt", images_NHWC, mirror=True)
    assert per_class(hits(logits_NC, labels_N, 1), labels_N, 10) == stage.top1_hits
    assert "trained again for this export" in (tmp_path / "crt" / "README.md").read_text()


def test_averaged_weights_are_exported_without_the_copy_that_made_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    suite = write_suite(tmp_path, epochs=2).name
    asked = ["--suite", suite, "--protocol", "joint", "--threads", "1", "--device", "cpu"]
    assert main(["run", "--backbone", "test_resnet", "--strategy", "ema,swa", *asked]) == 0
    images_NHWC, labels_N = scored_rows()
    for strategy in ("swa", "ema"):
        top1_hits = record_of(tmp_path, strategy).stages[0].top1_hits
        assert main(["export", f"test_resnet|{strategy}|0", "--suite", suite, "--to", strategy]) == 0
        logits_NC = timm_logits(tmp_path / strategy, images_NHWC, mirror=False)
        assert per_class(hits(logits_NC, labels_N, 1), labels_N, 10) == top1_hits
        if strategy == "swa":
            logits_NC = onnx_outputs(tmp_path / strategy, images_NHWC)["logits"]
            assert per_class(hits(logits_NC, labels_N, 1), labels_N, 10) == top1_hits
            monkeypatch.setattr(export, "to_onnx", lambda *_: b"")  # the graph of the other is made of the same parts


def test_a_stage_of_two_is_chosen_by_name_the_last_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    suite = write_suite(tmp_path).name
    backbone, cell = "test_resnet:mlp1", "test_resnet:mlp1|none|0"
    assert main(["run", "--backbone", backbone, "--strategy", "none", "--suite", suite, "--threads", "1"]) == 0
    monkeypatch.setattr(export, "to_onnx", lambda *_: b"")  # takes seconds, and is not looked at here
    assert main(["export", cell, "--suite", suite, "--to", "new/tail"]) == 0
    assert main(["export", cell, "--suite", suite, "--to", "head", "--stage", "head"]) == 0
    labels = [json.loads(Path(folder, "labels.json").read_text()) for folder in ("head", "new/tail")]
    assert labels == [list("01234"), list("56789")]
    assert json.loads(Path("new/tail/calibration.json").read_text())["temperature"] == 1  # on 3 rows
    assert "too few to calibrate on" in Path("new/tail/README.md").read_text()
    weights = load_file("head/weights.safetensors")
    code = re.findall(r"```python\n(.*?)```", Path("head/README.md").read_text(), re.DOTALL)[1]
    with monkeypatch.context() as patch:
        patch.chdir("head")
        exec(code, names := {})  # what the card shows
    assert all(torch.equal(tensor, weights[name]) for name, tensor in names["model"].state_dict().items())
    assert {"classifier.0.weight", "classifier.4.bias"} < set(weights)


def test_a_classifier_on_a_frozen_backbone_is_joined_with_the_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    suite = write_suite(tmp_path, epochs=3, recipe='trains = "classifier"\nshift = 0.1').name
    asked = ["--suite", suite, "--protocol", "joint", "--threads", "1", "--device", "cpu", "--force"]
    with monkeypatch.context() as patch:  # without ONNX Runtime, torch computes the features that are stored
        patch.setattr(extractor, "NEEDED", ("no_such_library",))
        assert main(["run", "--backbone", "test_resnet", "--strategy", "tau-norm(tau=0.5)", *asked]) == 0
    assert main(["export", "test_resnet|tau-norm(tau=0.5)|0", "--suite", suite, "--to", "model"]) == 0
    stage = record_of(tmp_path, "tau-norm*").stages[0]
    images_NHWC, labels_N = scored_rows()
    logits_NC = onnx_outputs(tmp_path / "model", images_NHWC)["logits"]
    assert per_class(hits(logits_NC, labels_N, 1), labels_N, 10) == stage.top1_hits
    network = timm.create_model("test_resnet", num_classes=10)
    network.load_state_dict(load_file("model/weights.safetensors"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--stage", "head"], "has no stage 'head'; it has all"),
        (["--to", "."], "is not an empty folder"),
        (["--to", "runs/.work/jobs/model"], "inside a run's working folder"),
    ],
)
def test_what_cannot_be_written_is_refused(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(place)
    assert main(["export", POSTHOC, "--suite", "tiny.toml", "--to", "new", *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert not (place / "new").exists()


def test_a_cell_of_another_version_is_refused_with_the_command_that_trains_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    file = tmp_path / "old.json"
    shutil.copy(next(place.glob("runs/*/records/test_resnet/crt-seed0.json")), file)
    reseal(file, key="0" * 20)
    assert main(["export", str(file), "--suite", "tiny.toml", "--to", str(tmp_path / "model")]) == 2
    assert "train it again with `python -m benchmarks run --suite tiny.toml" in capsys.readouterr().err


def test_strategies_that_one_network_cannot_stand_for_are_refused() -> None:
    for strategy, why in (
        (parse("text-fusion"), "it reads product names"),
        (parse("text-fallback"), "models of text-only"),
        (parse("mixup+em-label-shift"), "all rows that are predicted together"),
    ):
        with pytest.raises(UserError, match=why):
            require_one_network(strategy)
    require_one_network(parse("drw+ldam"))


FACTS = Facts((90, 9, 1), ("a", "b", "c"))
STORED = Outputs(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(20, 0))


def test_a_correction_is_found_by_asking_and_refused_where_it_is_no_scale_and_shift() -> None:
    assert correction_of(parse("none"), STORED, FACTS).neutral
    found = correction_of(parse("mixup+logit-adjust-posthoc(tau=2)"), STORED, FACTS)
    np.testing.assert_allclose(found.scale_C, 1)
    np.testing.assert_allclose(found.shift_C, -2 * np.log([0.9, 0.09, 0.01]), rtol=1e-6)

    @dataclasses.dataclass(frozen=True)
    class Centred(Strategy):
        name = "centred"

        def predict(self, outputs: Outputs, facts: Facts) -> torch.Tensor:
            return outputs.logits_BC - outputs.logits_BC.mean(0)

    with pytest.raises(UserError, match="centred cannot be exported: it does more to the logits"):
        correction_of(Centred(), STORED, FACTS)


def test_scales_of_logits_and_the_correction_become_one_linear_layer() -> None:
    linear = parse("lws").classifier(torch.nn.Linear(4, 3), 4, FACTS)
    linear.get_parameter("class_scale_C").data.copy_(torch.tensor([1.0, 2.0, 3.0]))
    correction = Correction(np.array([1.0, 0.5, 2.0]), np.array([0.0, 1.0, -1.0]))
    features_BF = torch.randn(5, 4)
    with torch.no_grad():
        one, expected_BC = folded(linear, correction), torch.from_numpy(correction(linear(features_BF).numpy()))
        torch.testing.assert_close(one(features_BF), expected_BC.float())
    assert set(one.state_dict()) == {"weight", "bias"}
    assert folded(torch.nn.Sequential(torch.nn.Linear(4, 3)), correction) is None


@pytest.mark.parametrize(
    ("spec", "create", "whole"),
    [
        ("test_vit", ("test_vit", {"num_classes": 3, "img_size": 32}), True),
        ("test_convnext", ("test_convnext", {"num_classes": 3}), True),
        ("test_resnet:cosine", ("test_resnet", {"num_classes": 0}), False),
        ("test_resnet:attention", ("test_resnet", {"num_classes": 0}), False),
        ("resnet32", None, False),
    ],
)
def test_names_are_timm_s_where_timm_has_the_model(spec: str, create: object, whole: bool) -> None:
    tensors = tensors_of(build(spec, 3, image_size=32, seed=0).eval(), 32)
    assert (tensors.create, tensors.whole) == (create, whole)
    if tensors.create:
        name, arguments = tensors.create
        loaded = timm.create_model(name, **arguments).load_state_dict(tensors.state, strict=False)
        assert not loaded.missing_keys
        assert all(name.startswith(("classifier.", "pool.")) for name in loaded.unexpected_keys)


def test_several_experts_have_names_of_their_own() -> None:
    assert tensors_of(with_experts("test_resnet"), 32).create is None


def with_experts(spec: str) -> Network:
    network = build(spec, 3, image_size=32, seed=0)
    split(network, 2)
    network.classifier = parse("ride(experts=2)").classifier(network.classifier, network.feature_size, FACTS)
    return network.eval()


class Few(nn.Module):
    """Two convolutions, as an encoder whose graph is drawn soon: features, or a map of them where not `pooled`."""

    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self.layer1, self.layer4 = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2), nn.BatchNorm2d(outputs), nn.ReLU())
            for inputs, outputs in ((3, 8), (8, 16))
        )
        self.pooled = pooled

    def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        map_BFHW = self.layer4(self.layer1(images_BCHW))
        return map_BFHW.mean((2, 3)) if self.pooled else map_BFHW


@pytest.mark.parametrize("what", ["transformer", "attention", "experts"])
def test_a_transformer_attention_over_the_map_and_several_experts_have_a_graph(own_registry: None, what: str) -> None:
    register_backbone("few", builder=lambda _: Few(pooled=True), description="two convolutions")
    register_backbone("few-map", builder=lambda _: Few(pooled=False), description="two convolutions, no pooling")
    if what == "experts":
        network = with_experts("few")
        assert isinstance(network.encoder.layer4, SideBySide)
    else:
        network = build("test_vit" if what == "transformer" else "few-map:attention", 3, image_size=32, seed=0).eval()
    shifted = Correction(np.ones(3), np.array([0.0, 1.0, 2.0]))
    graph = Classify(network, shifted, 2.0, mean=network.mean, std=network.std, mirror=False)
    images_BSS3 = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    assert deviation(graph, to_onnx(graph, 32, images_BSS3, what), images_BSS3[:1]) < 1e-4


def test_clean_removes_nothing_of_an_export(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Path(shutil.copytree(place / "runs", tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    models = [out / "model", next(out.glob("tiny*")) / "model"]
    for folder in models:
        shutil.copytree(place / "model", folder)
    assert main(["clean"]) == 0
    for folder in models:
        assert {path.name for path in folder.iterdir()} == {path.name for path in (place / "model").iterdir()}


def test_predict_names_what_it_skips_and_what_it_is_unsure_of(
    place: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(place / "model"), str(photos), "--top", "2", "--below", "1"]) == 1
    said, errors = capsys.readouterr()
    *lines, summary = said.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        *(str(photos / f"{row}.png") for row in range(5)), str(photos / "more" / "5.png"),
    ]  # fmt: skip
    assert re.fullmatch(r".*: \d [01]\.\d{3}, \d 0\.\d{3} \(unsure\)", lines[0])
    assert summary == "7 images: 6 unsure (below 1), 1 unreadable."
    assert errors == f"warning: {photos / 'broken.jpg'} cannot be read as an image; it is skipped.\n"

    table = tmp_path / "table.csv"
    assert main(["predict", str(place / "model"), str(photos / "*.png"), "--csv", str(table), "--below", "0"]) == 0
    header, *rows = table.read_text().splitlines()
    assert header.startswith("image,unsure,class,probability,class_2,probability_2,") and len(rows) == 5
    assert rows[0].startswith(f"{photos / '0.png'},False,")

    assert main(["predict", str(place / "model"), str(photos / "*.tif")]) == 2
    assert "names no image" in capsys.readouterr().err


def test_predict_loads_neither_torch_nor_timm(place: Path, photos: Path) -> None:
    code = blocked("torch", "timm", "torchvision", "pandas") + "from benchmarks.cli import main\nsys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", "model", str(photos / "more")],
        cwd=place, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_api_gives_a_table_and_warns_of_what_it_leaves_out(place: Path, photos: Path) -> None:
    with pytest.warns(UserWarning, match=r"broken\.jpg cannot be read"):
        found = benchmarks.predict(place / "model", [photos, photos / "0.png"], top=20)
    assert len(found) == 6 and list(found.columns[:4]) == ["image", "unsure", "class", "probability"]
    np.testing.assert_allclose(found.filter(like="probability").sum(axis=1), 1, atol=1e-5)


class Hub:
    """Stands in for `huggingface_hub.HfApi`: keeps what is pushed, or fails."""

    def __init__(self, place: Path, error: Exception | None = None) -> None:
        self.place, self.error = place, error

    def create_repo(self, repo: str, *, exist_ok: bool) -> RepoUrl:
        if self.error:
            raise self.error
        return RepoUrl(f"https://hub.invalid/{repo}", endpoint="https://hub.invalid")

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> None:
        shutil.copytree(folder_path, self.place / repo_id)


@pytest.mark.skipif(
    tuple(map(int, timm.__version__.split(".")[:3])) < (1, 0, 31), reason="an older timm takes another file of a folder"
)
def test_what_is_pushed_to_the_hub_is_a_timm_model_with_the_other_files(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load_file(place / "model" / "weights.safetensors")
    tensors = Tensors(state, ("test_resnet", {"num_classes": 10}), whole=True)
    assert hub.push(place / "model", "me/digits", tensors, Hub(tmp_path)) == "https://hub.invalid/me/digits"
    pushed = tmp_path / "me" / "digits"
    loaded = timm.create_model(f"local-dir:{pushed}", pretrained=True)  # as from the hub
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())
    config = timm.data.resolve_model_data_config(loaded)
    assert (config["input_size"], config["crop_mode"]) == ((3, 16, 16), "squash")
    assert loaded.pretrained_cfg["label_names"] == json.loads((pushed / "labels.json").read_text())
    assert (pushed / "model.onnx").is_file() and "library_name: timm" in (pushed / "README.md").read_text()

    with pytest.raises(UserError, match=r"is written, but could not be pushed to me/digits \(no route\); .*\.\Z"):
        hub.push(place / "model", "me/digits", tensors, Hub(tmp_path, OSError("no route.\nmore")))
    with pytest.raises(UserError, match="layers of its own"):
        hub.push(place / "model", "me/digits", Tensors(state, None, whole=False), Hub(tmp_path))

    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    monkeypatch.chdir(place)
    for repo, sentence in (("me/digits", "needs a token"), ("a/b/c", "is no name of a repository")):
        assert main(["export", POSTHOC, "--suite", "tiny.toml", "--to", "new", "--hub", repo]) == 2
        assert sentence in capsys.readouterr().err
    assert not (place / "new").exists()


@pytest.mark.parametrize(  # `tests/test_fuzz_files.py` spoils every file in every way
    ("file", "content", "sealed"),
    [
        ("model.onnx", "pickle", False),
        ("model.onnx", "pickle", True),
        ("labels.json", "pickle", True),
        ("preprocessing.json", b'{"size": 100000}', True),
        ("model.json", "pickle", False),
        ("model.onnx", None, False),
    ],
)
def test_a_damaged_or_crafted_folder_is_refused_in_one_sentence_and_runs_nothing(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    file: str, content: bytes | str | None, sealed: bool,
) -> None:  # fmt: skip
    marker = tmp_path / "went off"
    path = model / file
    path.unlink()
    if content is not None:
        path.write_bytes(pickle.dumps(Bomb(marker)) if isinstance(content, str) else content)
        if sealed and file != "model.json":
            manifest = json.loads((model / "model.json").read_text())
            manifest["files"][file] = hashlib.sha256(path.read_bytes()).hexdigest()
            (model / "model.json").write_text(json.dumps(manifest))
    assert main(["predict", str(model), str(photos / "0.png")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "export the model again" in error
    assert not marker.exists()


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        assert main(["predict", str(folder), str(photos / "0.png")]) == 2
        assert "is not an exported model" in capsys.readouterr().err
