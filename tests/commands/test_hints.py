"""A run says where more of the machine could be at work."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks.commands.executing import would_be_faster
from benchmarks.commands.options import RunOptions
from benchmarks.support import hardware


def _session(device: str, image_size: int) -> SimpleNamespace:
    recipe = SimpleNamespace(image_size=image_size)
    return SimpleNamespace(
        context=SimpleNamespace(device=SimpleNamespace(type=device), suite=SimpleNamespace(recipe=recipe))
    )


@pytest.mark.parametrize(
    ("device", "image_size", "jobs", "threads", "told"),
    [
        ("cpu", 32, 40, None, "--executor ray --threads 1"),
        ("cpu", 32, 40, 2, None),  # asked for by the user
        ("cpu", 32, 4, None, None),  # sooner done than Ray has started
        ("cpu", 224, 40, None, None),
        ("cuda", 32, 4, None, "leaves 3 idle: add --executor ray"),
    ],
)
def test_what_would_be_faster(
    monkeypatch: pytest.MonkeyPatch, device: str, image_size: int, jobs: int, threads: int | None, told: str | None
) -> None:
    monkeypatch.setattr(hardware, "usable_cores", lambda: 2)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    hint = would_be_faster(_session(device, image_size), RunOptions(threads=threads), jobs)  # type: ignore[arg-type]
    assert hint is None if told is None else hint and told in hint
