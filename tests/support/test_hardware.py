"""What a record says about machine and libraries, against what other sources say of them."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.support import hardware


def run_python(code: str) -> str:
    """Run `code` in a new interpreter and return what it printed."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=os.getcwd()).stdout


def test_versions_are_those_that_the_libraries_give_themselves():
    import numpy
    import torch

    found = hardware.versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == numpy.__version__
    assert found["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert {"torchvision", "timm", "albumentations", "imbalanced-learn"} <= found.keys()


def test_asking_for_versions_and_cpu_imports_no_library():
    code = (
        "import sys; from benchmarks.support import hardware as h; h.versions(); h.hardware('cpu');"
        "h.peak_memory_bytes();"
        "print([m for m in ('torch', 'numpy', 'albumentations', 'timm', 'pandas') if m in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_a_checkout_tells_its_commit_and_whether_its_code_differs(tmp_path: Path):
    def git(*words: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert hardware.checked_out(tmp_path) is None
    git("init", "-q")
    assert hardware.checked_out(tmp_path) is None  # no commit yet
    code, page = tmp_path / "benchmarks" / "code.py", tmp_path / "page.md"
    code.parent.mkdir()
    code.write_text("x = 1")
    page.write_text("a page")
    git("add", ".")
    git("commit", "-qm", "Add code")
    page.write_text("another page")
    (tmp_path / "benchmarks" / "new.py").touch()
    assert hardware.checked_out(tmp_path) == git("rev-parse", "--short=10", "HEAD")
    code.write_text("x = 2")
    assert hardware.checked_out(tmp_path) == git("rev-parse", "--short=10", "HEAD") + "+"
    assert hardware.checked_out(code.parent) is None  # inside, but not a checkout itself


def test_hardware_is_plain_json_and_agrees_with_the_machine():
    found = hardware.hardware("cpu")
    assert json.loads(json.dumps(found)) == found
    assert found["cpu"]
    assert 1 <= int(found["cores"]) <= (os.cpu_count() or 1)
    assert "gpu" not in found
    if sys.platform == "linux":
        with open("/proc/meminfo") as lines:
            total_kib = int(next(line.split()[1] for line in lines if line.startswith("MemTotal")))
        assert found["memory_bytes"] == total_kib * 1024


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be bound on this system")
def test_cores_are_those_that_the_process_may_use():
    one = min(os.sched_getaffinity(0))
    bind = f"import os; os.sched_setaffinity(0, [{one}])"
    code = f"{bind}; from benchmarks.support import hardware; print(hardware.hardware()['cores'])"
    assert run_python(code).strip() == "1"


def test_peak_memory_grows_by_what_was_touched_and_does_not_count_the_starting_process():
    larger = b"x" * (200 << 20)
    code = (
        "from benchmarks.support.hardware import peak_memory_bytes as peak; before = peak();"
        "block = b'x' * (200 << 20); print(before, peak())"
    )
    before, after = map(int, run_python(code).split())
    assert 5 << 20 < before < len(larger)
    assert (190 << 20) <= after - before <= (260 << 20)


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="this system keeps a process's peak")
def test_peak_memory_counts_from_its_restart():
    code = (
        "from benchmarks.support import hardware as h; block = b'x' * (200 << 20); del block;"
        "before = h.peak_memory_bytes(); h.restart_peak_memory(); print(before - h.peak_memory_bytes())"
    )
    assert int(run_python(code)) >= 190 << 20


def test_a_system_that_keeps_the_peak_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    hardware.restart_peak_memory("cpu")
    assert hardware.peak_memory_bytes("cpu") > 0


def test_a_gpus_peak_is_restarted_by_torch_once_it_is_up(monkeypatch: pytest.MonkeyPatch):
    torch = pytest.importorskip("torch")
    asked: list[object] = []
    monkeypatch.setattr("torch.cuda.init", lambda: asked.append("init"))
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", asked.append)
    hardware.restart_peak_memory("cuda:1")
    assert asked == ["init", torch.device("cuda", 1)]


def test_a_gpu_is_named_with_its_memory():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU on this machine")
    found = hardware.hardware("cuda:0")
    assert found["gpu"] == torch.cuda.get_device_name(0)
    block = torch.zeros(100 << 20, dtype=torch.uint8, device="cuda:0")
    assert block.numel() <= hardware.peak_memory_bytes("cuda:0") <= int(found["gpu_memory_bytes"])
    assert hardware.peak_memory_bytes(torch.device("cuda", 0)) == hardware.peak_memory_bytes("cuda:0")
    size = block.numel()
    del block
    hardware.restart_peak_memory("cuda:0")
    assert hardware.peak_memory_bytes("cuda:0") < size


@pytest.mark.parametrize(("device", "gpus", "idle"), [("cpu", 8, 0), ("cuda", 8, 7), ("cuda:0", 1, 0), ("cuda", 0, 0)])
def test_gpus_that_one_process_leaves_idle(monkeypatch: pytest.MonkeyPatch, device: str, gpus: int, idle: int):
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert hardware.idle_gpus(device) == idle


@pytest.mark.parametrize(("cores", "load", "idle"), [(8, 0.2, 8), (8, 5.6, 2), (8, 40.0, 1), (2, 1.2, 1), (1, 0.0, 1)])
def test_cores_that_others_leave_idle(monkeypatch: pytest.MonkeyPatch, cores: int, load: float, idle: int) -> None:
    monkeypatch.setattr(hardware, "usable_cores", lambda: cores)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(hardware, "busy_cores", lambda: load)
    assert hardware.idle_cores() == idle


@pytest.mark.parametrize(("loads", "idle", "left"), [([0, 4], 4, 1), ([4, 2, 0, 4], 4, 1), ([4, 3, 2], 2, 0)])
def test_what_keeps_cores_busy_for_a_moment_is_not_counted(
    loads: list[float], idle: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "usable_cores", lambda: 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(hardware, "busy_cores", lambda: loads.pop(0))
    assert hardware.idle_cores(looks=3) == idle
    assert len(loads) == left


def test_busy_cores_are_counted_over_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 20 1000 80 0 0 0 0 0\n")
    monkeypatch.setattr(hardware.time, "sleep", lambda _: stat.write_text("cpu  130 0 30 1100 90 0 0 0 0 0\n"))
    monkeypatch.setattr(os, "cpu_count", lambda: 15)
    assert hardware.busy_cores(stat) == pytest.approx(15 * 40 / 150)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.5, 0.0, 0.0))
    assert hardware.busy_cores(tmp_path / "absent") == 3.5


def test_a_cgroups_limit_is_a_limit(tmp_path: Path) -> None:
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    assert hardware.cgroup_cores(root, own) == math.inf
    own.write_text("0::/pod/box\n")
    (root / "pod" / "box").mkdir(parents=True)
    (root / "pod" / "box" / "cpu.max").write_text("max 100000\n")
    assert hardware.cgroup_cores(root, own) == math.inf
    (root / "pod" / "cpu.max").write_text("250000 100000\n")
    assert hardware.cgroup_cores(root, own) == 2.5
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    (root / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert hardware.cgroup_cores(root, own) == 1.5


def test_free_memory_is_that_of_the_machine_within_the_cgroup(tmp_path: Path) -> None:
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    machine = hardware.free_memory_bytes(root, own)
    assert 0 < machine < math.inf or not Path("/proc/meminfo").exists()
    own.write_text("0::/pod/box\n")
    (root / "pod" / "box").mkdir(parents=True)
    for name, value in (("max", "5000"), ("current", "2000")):
        (root / "pod" / f"memory.{name}").write_text(value)
    assert hardware.free_memory_bytes(root, own) == 3000
    (root / "pod" / "memory.max").write_text("max")
    assert hardware.free_memory_bytes(root, own) == pytest.approx(machine, rel=0.5)
