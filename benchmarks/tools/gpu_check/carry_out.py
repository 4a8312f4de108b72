"""Run the parts one after another, each in its own process, until the time is up.

A broken GPU context or a hanging part then costs only that part. Each part's output and result are written
immediately, so that the next call resumes where this one stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from backbones.files import write_bytes
from benchmarks.tools.gpu_check.parts import Part

State = Literal["done", "failed", "stopped", "not started"]
PROGRAM = (sys.executable, "-m", "benchmarks")
# time for a part to exit after SIGTERM: a run writes what it has and closes its files
GRACE_SECONDS, GRACE_SHARE = 20.0, 0.1
SHOWN_LINES = 3
NOT_STARTED: State = "not started"


def carry_out(
    parts: Sequence[Part],
    folder: Path,
    deadline: float,
    say: Callable[[str], None],
    *,
    on: Mapping[str, Any],
    program: Sequence[str] = PROGRAM,
) -> dict[str, State]:
    """Run the parts until `time.monotonic()` reaches `deadline`; return the state of each by name.

    Parts that `folder` records as done, with the same arguments and on the same machine `on`, are not repeated; those
    that failed are tried again. A part still running at the deadline gets SIGTERM, after which a run can be resumed.
    """
    whole = max(0.0, deadline - time.monotonic())
    grace = min(GRACE_SECONDS, GRACE_SHARE * whole)
    noted, ended = _read(folder), dict.fromkeys((part.name for part in parts), NOT_STARTED)
    for part in parts:
        before = noted.get(part.name, {})
        if before.get("state") == "done" and before.get("arguments") == list(part.arguments) and before["on"] == on:
            ended[part.name] = "done"
            say(f"{part.name}: done before")
            continue
        left = deadline - grace - time.monotonic()
        if left <= 0:
            continue
        begun = time.monotonic()
        log = folder / f"{part.name.replace(':', '-')}.txt"
        most = part.most * whole
        state = _run(part, log, min(left, most), grace, program)
        if state == "stopped" and most < left:
            state = "failed"
            say(f"{part.name} took more than {most:.0f} s, its share of the time.")
        ended[part.name] = state
        took = time.monotonic() - begun
        say("\n".join([f"{part.name}: {state} after {took:.0f} s, see {log}", *_last_lines(log)]))
        noted[part.name] = {"state": state, "arguments": list(part.arguments), "seconds": round(took, 1), "on": on}
        write_bytes(folder / "parts.json", json.dumps(noted, indent=1).encode())
    return ended


def _run(part: Part, log: Path, seconds: float, grace: float, program: Sequence[str]) -> State:
    """Run one part for at most `seconds`; return how it ended. It is also ended if this process raises."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        child = subprocess.Popen(
            [*program, *part.arguments], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches it once, from here
        )  # fmt: skip
        try:
            return "done" if child.wait(seconds) == 0 else "failed"
        except subprocess.TimeoutExpired:
            _end(child, grace)
            return "done" if child.returncode == 0 else "stopped"  # it may have been about to end
        finally:
            _end(child, grace)


def _end(child: subprocess.Popen[bytes], grace: float) -> None:
    """End a running process: SIGTERM, then after at most `grace` seconds SIGKILL to its process group."""
    if child.poll() is None:
        child.terminate()  # not SIGINT, which shells make background commands ignore
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _last_lines(log: Path) -> list[str]:
    """Return the last lines that a part printed, indented."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return [f"    {line}" for line in lines[-SHOWN_LINES:]]


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what was noted of parts before, by name; nothing where that cannot be read."""
    try:
        noted = json.loads((folder / "parts.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}
