"""What every test shares: no test writes to the user's cache, and two workers do not fight over two cores."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
REAL_DATA = REPOSITORY.parent / "shared" / "data" / "fashion-product-images-small"

# Before torch or OpenCV are imported, and for the processes that tests start.
_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _workers)))

# Examples take as long as they take on a busy machine; the matrix draws the same ones every time.
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.register_profile("matrix", deadline=None, derandomize=True)
hypothesis.settings.load_profile("matrix" if "TOX_ENV_NAME" in os.environ else "desk")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point `$BENCHMARKS_CACHE` at a folder of this run, for this process and those that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("BENCHMARKS_CACHE", str(folder))
        yield folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder of twelve megabytes of its own; skip where nothing may be mounted."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread in the tests of a module, for batches so small that a second one only waits."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the checkout that the tests lie in."""
    return REPOSITORY


@pytest.fixture
def own_registry() -> Iterator[None]:
    """Forget after the test what strategies, backbones and classifiers it registered."""
    from backbones import registry as backbones
    from strategies import registry as strategies

    with strategies.isolated(), backbones.isolated():
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the real data; skip the test where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real data not found at {REAL_DATA}")
    return REAL_DATA
