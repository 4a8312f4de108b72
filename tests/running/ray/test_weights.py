"""Workers get the content of the first weights: the driver's file is not looked for on their machines."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from benchmarks.progress.events import Event, RunStarted
from benchmarks.progress.reporter import Reporters
from benchmarks.running import local
from tests.making import BACKBONE, digits_session

pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
from benchmarks.running.ray import driver
from tests.running.ray.nodes import ONE, Nodes, same

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:ResourceWarning")


class Removing:
    """Removes a file when the run starts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def tell(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.path.unlink()


def test_workers_start_from_the_content_of_the_driver_s_weights(two_nodes: Nodes, tmp_path: Path) -> None:
    torch.manual_seed(3)
    file = tmp_path / "given.safetensors"
    save_file({name: t.contiguous() for name, t in timm.create_model(BACKBONE).state_dict().items()}, file)
    here, there = (digits_session(tmp_path / name, weights=file) for name in ("here", "there"))
    assert not local.execute(here.plan, here.context, tmp_path / "here", Reporters()).failed
    reporters = Reporters(Removing(file))
    outcome = driver.execute(there.plan, there.context, tmp_path / "there", reporters, given=ONE, share_folder=False)
    assert (outcome.done, outcome.failed) == (1, ())
    same(here, there, there.plan.cells)
