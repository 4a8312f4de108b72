"""What `plan` says of sharing, and that the records say the same once the plan was carried out."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.contract import tiny
from benchmarks.leaderboard import files
from benchmarks.planning.sharing import shares
from benchmarks.records import storage
from benchmarks.running.job import run_job
from benchmarks.running.scoring import done_record
from tests.planning.test_plan import EPOCHS, plan
from tests.process import write_suite

STRATEGIES = ("none", "drw", "crt", "lws", "feature-smote", "logit-adjust-posthoc", "tau-norm(tau=1)", "oversample")


def test_after_the_fact_shares_all_and_schedules_share_their_beginning() -> None:
    found = {share.strategy: share for share in shares(plan(*STRATEGIES))}
    assert {share.asked for share in found.values()} == {2 * EPOCHS}
    assert {name: share.own for name, share in found.items()} == {
        "none": 0,
        "drw": 2 + EPOCHS,  # stage 2 starts from another backbone
        "crt": 2,  # its representation is plain training's in either stage; the second's is shared with lws
        "lws": 2,
        "feature-smote": 2,
        "logit-adjust-posthoc": 0,
        "tau-norm(tau=1.0)": 0,
        "oversample": 2 * EPOCHS,
    }
    assert {name: share.on_features for name, share in found.items() if share.on_features} == {"feature-smote": 2}


def test_plan_prints_a_row_per_strategy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = "none,drw,logit-adjust-posthoc,feature-smote"
    suite = str(write_suite(tmp_path, epochs=5))
    assert main(["plan", "--suite", suite, "--protocol", "joint", "--device", "cpu", "--strategy", asked]) == 0
    said = capsys.readouterr().out
    (table,) = (part for part in said.split("\n\n") if "epochs asked" in part)
    rows = {line.split()[1]: line.split()[2:] for line in table.splitlines()[2:]}
    assert rows == {
        "none": ["5", "5", "0"],
        "drw": ["5", "4", "1"],
        "logit-adjust-posthoc": ["5", "5", "0"],
        "feature-smote": ["5", "4", "1", "1"],
    }
    assert "epochs: 7 (20 without sharing), 7 to train" in said


def test_the_records_tell_the_same_epochs_as_the_plan(tmp_path: Path) -> None:
    with tiny.backbone():
        made, context = tiny.session(STRATEGIES, tmp_path, epochs=5)
        for job in made.jobs.values():
            run_job(context, job)
        for cell in made.cells:
            storage.write(done_record(context, made, cell), tmp_path)
    text = files.generate(tmp_path)[Path("contract/leaderboard.md")]
    share = round(100 * made.epochs_executed() / made.epochs_asked())
    asked, executed = made.epochs_asked(), made.epochs_executed()
    expected = f"Epochs: {asked} asked for by the cells, {executed} executed, each job once ({share} %)"
    assert expected in text
