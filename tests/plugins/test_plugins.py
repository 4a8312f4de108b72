"""Plugins in every way in which they come, in processes of their own: files, installed packages, broken ones."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from backbones.registry import identity
from benchmarks.cli import main
from strategies import base
from strategies.base import Strategy
from tests.process import bench, command, environment, write_suite

BROKEN = "import no_such_library\n"


@pytest.fixture
def example(repository: Path) -> str:
    """Return the guide's example."""
    (code,) = re.findall(r"```python\n(.*?)```", (repository / "docs" / "plugins.md").read_text(), re.DOTALL)
    return code


def run_tiny(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    suite = write_suite(folder)
    return bench(folder, "run", "--suite", suite, "--protocol", "joint", "--device", "cpu", *arguments)


def test_the_guides_example_keeps_the_contract_and_trains(tmp_path: Path, example: str) -> None:
    assert len(example.splitlines()) < 20
    (tmp_path / "power_weights.py").write_text(example)
    checked = bench(tmp_path, "check", "power_weights.py")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    ran = run_tiny(
        tmp_path, "--plugin", "power_weights.py", "--backbone", "test_resnet",
        "--strategy", "power-weights,drw+power-weights(power=1)",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "drw+power-weights(power=1.0)" in ran.stdout
    assert not ran.stderr


WHOLE_SEAM = """
import dataclasses

import numpy as np
import torch

from strategies.base import Phase, Pipeline, Strategy
from strategies.common import weighted_mean
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class WholeSeam(Strategy):
    \"\"\"Every hook, with the parameters that it has had since plugins were first documented.\"\"\"

    name = "whole-seam"
    summary = "one of everything"
    factor: float = 0.5

    def phases(self, epochs, facts):
        return (Phase(0, epochs - 1, active=False), Phase(epochs - 1, epochs)) if epochs > 1 else (Phase(0, epochs),)

    def class_weights_C(self, facts, progress):
        return np.maximum(facts.counts, 1.0) ** -self.factor

    def sampling_C(self, facts, progress):
        return facts.counts / facts.counts.sum()

    def kept_C(self, facts, progress):
        return facts.counts.astype(np.int64)

    def resample_rows(self, labels_N, facts, seed):
        return np.arange(len(labels_N))

    def resample_features(self, features_NF, labels_N, facts, seed):
        return features_NF, labels_N

    def augmentation(self, facts):
        return Pipeline((0.0,) * facts.num_classes)

    def second_C(self, facts, progress):
        return facts.counts / facts.counts.sum()

    def mix(self, batch, facts, generator):
        return dataclasses.replace(batch, images_BCHW=(batch.images_BCHW + batch.second.images_BCHW) / 2)

    def mix_features(self, batch, facts, generator):
        return dataclasses.replace(batch, features_BF=batch.features_BF * self.factor)

    def architecture(self, network, facts):
        network.pool = torch.nn.Sequential(network.pool, torch.nn.Identity())

    def text(self):
        return None

    def classifier(self, classifier, in_features, facts):
        return torch.nn.Sequential(classifier, torch.nn.Identity())

    def attach(self, network, facts):
        network.register_buffer("steps", torch.zeros(()))

    def train_logits(self, outputs, batch, step):
        return outputs.logits_BC + step.constant(np.log(np.maximum(step.facts.counts, 1.0)), outputs.logits_BC)

    def loss(self, outputs, batch, step):
        return weighted_mean(-outputs.logits_BC.log_softmax(1), batch.y_BC, step.weights_C)

    def ascend(self, network):
        return lambda: None

    def after_step(self, network, outputs, batch, step):
        network.steps += len(batch.labels_B)

    def after_training(self, network, facts, trained):
        trained.accuracy_C()
        trained.features()

    def companions(self):
        return ()

    def predict(self, outputs, facts):
        return outputs.logits_BC * self.factor

    def report(self, outputs, labels_N, facts):
        return {"whole-seam": len(labels_N)}
"""


def test_a_plugin_that_overrides_the_whole_seam_still_keeps_the_contract(
    tmp_path: Path, own_registry: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changed a hook's parameters? A plugin is then refused by name: say so in CHANGELOG.md, and change it here."""
    (tmp_path / "whole_seam.py").write_text(WHOLE_SEAM)
    assert main(["check", str(tmp_path / "whole_seam.py")]) == 0, capsys.readouterr().out


TAKEN = """
import dataclasses
from strategies.base import Strategy
from strategies.registry import register

@register
@dataclasses.dataclass(frozen=True)
class Mine(Strategy):
    name, summary = "oversample", "a name of the project's own"
"""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (BROKEN, "ModuleNotFoundError: No module named 'no_such_library'"),
        ("def f(:\n", "SyntaxError: "),
        ("\0", "SyntaxError: "),
        ("raise SystemExit('not today')", "SystemExit: not today"),
        ("raise KeyError('two\\nlines')", "KeyError: 'two"),
        (TAKEN, "StrategyError: 'oversample' is registered by both"),
        (
            "from backbones.registry import register_backbone as r\nr('resnet50', description='', timm_name='a')",
            "BackboneError: the backbone 'resnet50' is registered already",
        ),
        (
            "from benchmarks.data.registry import dataset\n@dataset('digits', 'mine')\ndef f(): pass",
            "ValueError: the dataset 'digits' is registered already",
        ),
    ],
    ids=["import", "syntax", "binary", "exit", "raises", "strategy taken", "backbone taken", "dataset taken"],
)
@pytest.mark.parametrize("arguments", [["plan", "--all"], ["list", "strategies"], ["verify", "a|b|0"]], ids=" ".join)
def test_a_plugin_that_was_asked_for_and_does_not_load_ends_the_command(
    tmp_path: Path,
    own_registry: None,
    capsys: pytest.CaptureFixture[str],
    content: str,
    expected: str,
    arguments: list[str],
) -> None:
    (tmp_path / "mine.py").write_text(content)
    assert main([*arguments, "--plugin", str(tmp_path / "mine.py")]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1
    assert said.err.startswith(f"error: plugin {tmp_path / 'mine.py'} could not be imported: {expected}")


def test_there_is_nothing_to_check_in_a_file_that_fails_to_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    assert main(["check", str(tmp_path / "broken.py")]) == 2
    assert "broken.py could not be imported: ModuleNotFoundError" in capsys.readouterr().err


def test_the_guides_links_and_commands_are_there(repository: Path) -> None:
    text = (repository / "docs" / "plugins.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert not [link for link in links if not (repository / "docs" / link).exists()]
    package = (repository / "tests" / "plugins" / "example_package" / "pyproject.toml").read_text()
    (shown,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert shown.strip() in package
    named = {name for row in re.findall(r"^\| .* \|$", text, re.MULTILINE)[1:] for name in re.findall(r"`(\w+)`", row)}
    assert named and not [name for name in named if not hasattr(Strategy, name) and not hasattr(base, name)]


def test_a_file_dropped_into_the_folder_is_found_and_a_broken_one_named(
    tmp_path: Path, repository: Path, example: str
) -> None:
    for room in ("strategies", "backbones", "benchmarks"):
        shutil.copytree(repository / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "strategies" / "power_weights.py").write_text(example)
    (tmp_path / "strategies" / "broken.py").write_text(BROKEN)
    listed = subprocess.run(
        command("list", "strategies"), cwd=tmp_path, env={**environment(), "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    assert "power-weights(power=0.5)" in listed.stdout and "oversample " in listed.stdout
    assert listed.stderr.startswith("warning: strategies/broken.py could not be imported: ModuleNotFoundError")


def test_a_dataset_is_one_file_and_a_broken_one_is_named(tmp_path: Path, repository: Path) -> None:
    for package in ("strategies", "backbones", "benchmarks"):
        shutil.copytree(repository / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    own = repository / "tests" / "plugins" / "example_package" / "src" / "example_plugin" / "dataset.py"
    shutil.copy(own, tmp_path / "benchmarks" / "data" / "stripes.py")
    (tmp_path / "benchmarks" / "data" / "broken.py").write_text(BROKEN)
    shown = subprocess.run(
        command("data", "info", "stripes", "--head-classes", 2), cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert "stripes: 65 rows, 3 classes" in shown.stdout, shown.stderr
    assert shown.stderr.startswith("warning: benchmarks.data.broken could not be imported: ModuleNotFoundError")


NETWORK = """
from torch import nn
from backbones.registry import register_backbone, register_classifier

def own(image_size):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

register_backbone("own", builder=own, description="d")
register_classifier("wide", lambda features, classes: nn.Linear(features, classes), description="d")
"""


def test_an_edited_backbone_is_trained_again_and_the_rest_is_not(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NETWORK)
    asked = [
        "--plugin", "mine.py", "--backbone", "own,test_resnet,test_resnet:wide", "--strategy", "none",
    ]  # fmt: skip
    assert run_tiny(tmp_path, *asked).returncode == 0
    assert "All is done already (3 cells)" in run_tiny(tmp_path, *asked).stdout
    (tmp_path / "mine.py").write_text(NETWORK.replace("ReLU", "GELU"))
    done = run_tiny(tmp_path, *asked, "--dry-run")
    assert "cells: 3, 1 done" in done.stdout, done.stdout + done.stderr
    assert identity("resnet50:mlp2") == "resnet50:mlp2", "a built-in's key stands in published records"


@pytest.fixture(scope="module")
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the example package as an installer leaves it: its wheel built offline and unpacked."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(repository / "tests" / "plugins" / "example_package", source)
    code = f"from hatchling.build import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def test_an_installed_package_is_found_through_its_entry_points_and_trains(tmp_path: Path, installed: Path) -> None:
    assert not (installed / "tests").exists()
    listed = bench(tmp_path, "list", "strategies", path=installed)
    assert "root-sampling(order=3.0)" in listed.stdout and not listed.stderr
    assert "two-layers" in bench(tmp_path, "list", "backbones", path=installed).stdout
    suite = write_suite(tmp_path)
    ran = bench(
        tmp_path, "run", "--suite", suite, "--protocol", "joint", "--device", "cpu",
        "--backbone", "two-layers:mlp1", "--strategy", "none,root-sampling(order=2)", path=installed,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "two-layers:mlp1" in ran.stdout and "root-sampling(order=2.0)" in ran.stdout
    refused = bench(tmp_path, "plan", "--strategy", "root-sampling(order=0)", path=installed)
    assert (refused.returncode, refused.stderr) == (2, "error: root-sampling: order must be at least 1, got 0.0.\n")


def test_a_packages_dataset_is_listed_shown_and_trained_on(tmp_path: Path, installed: Path) -> None:
    listed = bench(tmp_path, "list", "datasets", path=installed)
    assert re.search(r"^stripes +striped squares", listed.stdout, re.MULTILINE) and not listed.stderr
    shown = bench(tmp_path, "data", "info", "stripes", "--head-classes", 2, path=installed)
    assert "stripes: 65 rows, 3 classes" in shown.stdout, shown.stderr
    suite = write_suite(tmp_path)
    suite.write_text(suite.read_text().replace('dataset = "digits"', 'dataset = "stripes"'))
    ran = bench(
        tmp_path, "run", "--suite", suite, "--protocol", "joint", "--device", "cpu",
        "--backbone", "test_resnet", "--strategy", "none", path=installed,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_without_the_package_its_names_are_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "root-sampling"]) == 2
    assert "There is no strategy 'root-sampling'" in capsys.readouterr().err
