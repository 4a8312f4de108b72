"""The Python API: what scripts call, in this process; and that importing the package costs next to nothing."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import benchmarks
from benchmarks.support.errors import UserError
from strategies import registry
from strategies.base import Strategy, StrategyError
from tests.process import environment, write_suite


def test_importing_the_package_imports_no_library(tmp_path: Path) -> None:
    code = "import sys; import benchmarks; print(sorted(set(sys.modules) & {'torch', 'numpy', 'pandas', 'typer'}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        benchmarks.nosuch  # noqa: B018


def test_records_become_one_row_per_cell_and_stage(repository: Path) -> None:
    found = benchmarks.load_records(repository / "results")
    one = benchmarks.load_records(repository / "results" / "fashion-small")
    assert set(one.suite) == {"fashion-small"} and len(one) == (found.suite == "fashion-small").sum()
    assert not found.duplicated(["suite", "backbone", "strategy", "seed", "stage"]).any()
    page = (repository / "results" / "fashion-small" / "leaderboard.md").read_text()
    (cell,) = (row for _, row in one.iterrows() if (row.strategy, row.stage) == ("balanced-softmax", "tail"))
    shown = next(line for line in page.splitlines() if "| balanced-softmax " in line).split("|")
    ranked = [cell.strategy, f"{cell.class_mean:.3f}", f"{cell.overall:.3f}"]
    assert [part.strip(" *") for part in shown][3:6] == ranked


def test_a_folder_without_records_is_an_error_and_a_damaged_record_a_warning(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no records"):
        benchmarks.load_records(tmp_path)
    source = repository / "results" / "fashion-small" / "records"
    records = tmp_path / "fashion-small" / "records"
    shutil.copytree(source, records)
    damaged = sorted(records.glob("*/*.json"))[0]
    damaged.write_text(damaged.read_text()[:100])
    with pytest.warns(UserWarning, match="is not JSON"):
        found = benchmarks.load_records(tmp_path)
    assert len(found) == len(benchmarks.load_records(source.parent)) - 2


def test_plan_and_run(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    session = benchmarks.plan(suite, strategies=["none", "oversample"], protocol="joint", out=tmp_path, device="cpu")
    assert [cell.strategy for cell in session.plan.cells] == ["none", "oversample"]
    found = benchmarks.run(session, quiet=True)
    assert list(found.strategy) == ["none", "oversample"]
    assert set(found.stage) == {"all"} and set(found.status) == {"done"}
    store, (first, _) = session.context.store, session.plan.cells
    (stage,), (chain,) = session.context.stages, first.jobs
    logits_NC = torch.from_numpy(store.predictions(chain[-1])["test"]).double()
    loss = torch.nn.functional.cross_entropy(logits_NC, torch.from_numpy(stage.labels_N[stage.data.test_rows]))
    assert found.nll[0] == pytest.approx(float(loss))
    assert found[["macro_f1", "mcc", "auroc", "temperature", "calibrated_ece"]].notna().all(axis=None)
    assert (tmp_path / "tiny-joint" / "leaderboard.md").exists()
    made = [json.loads(path.read_text())["made"] for path in tmp_path.rglob("records/*/*.json")]
    assert sorted(benchmarks.run(session, quiet=True).made) == sorted(made)  # nothing is trained a second time


def test_settings_change_the_suite_and_its_name(tmp_path: Path) -> None:
    settings = {"recipe.epochs.all": 2, "recipe.flip": False, "recipe.optimizer": "adamw"}
    session = benchmarks.plan(write_suite(tmp_path), protocol="joint", out=tmp_path, device="cpu", settings=settings)
    recipe = session.context.suite.recipe
    assert (recipe.epochs.all, recipe.flip, recipe.optimizer) == (2, False, "adamw")
    assert session.context.suite.name == "tiny-joint-epochs.all=2-flip=false-optimizer=adamw"


def test_choices_that_do_not_exist_are_named(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    with pytest.raises(UserError, match="no device 'gpu'; expected auto, cpu, cuda"):
        benchmarks.plan(suite, device="gpu")
    with pytest.raises(UserError, match="no protocol 'three-stage'; expected two-stage, joint"):
        benchmarks.plan(suite, protocol="three-stage")


def test_a_failed_cell_has_one_row(tmp_path: Path) -> None:
    with registry.isolated():

        @benchmarks.register
        @dataclasses.dataclass(frozen=True)
        class Fails(Strategy):
            name = "t-fails"

            def after_step(self, network: object, outputs: object, batch: object, step: object) -> None:
                raise RuntimeError("as planned")

        with pytest.raises(StrategyError, match="'oversample' is registered by both"):
            benchmarks.register(type("Taken", (Strategy,), {"name": "oversample"}))
        session = benchmarks.plan(write_suite(tmp_path), strategies=["none", "t-fails"], out=tmp_path, device="cpu")
        found = benchmarks.run(session, quiet=True)
    assert list(found.strategy) == ["none", "none", "t-fails"]
    assert found.iloc[-1].error == "RuntimeError: as planned" and found.iloc[-1].isna().stage
