"""Folders of images as disks have them: links in circles, pipes, folders that may not be read, the whole disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.data import folder
from benchmarks.data.layouts.walk import images
from benchmarks.support.errors import UserError
from tests.process import command, environment

Draw = Callable[..., bytes]


@pytest.fixture
def tree(tmp_path: Path, image: Draw) -> Path:
    """Return a folder of two classes of two images."""
    for label in ("a", "b"):
        for i in range(2):
            (tmp_path / "tree" / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "tree" / label / f"{i}.png").write_bytes(image(i))
    return tmp_path / "tree"


WHOLE = ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]


def test_links_in_circles_are_cut_and_links_to_other_folders_followed(tree: Path, tmp_path: Path, image: Draw) -> None:
    (tree / "loop").symlink_to(".")
    (tree / "a" / "up").symlink_to(tree, target_is_directory=True)
    (tree / "a" / "self").symlink_to("self")
    assert list(images(tree)) == WHOLE
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c.png").write_bytes(image(3))
    (tree / "c").symlink_to(tmp_path / "elsewhere")
    assert list(images(tree)) == [*WHOLE, "c/c.png"]
    assert folder.open_source(tree).ids == (*WHOLE, "c/c.png")


def test_special_files_are_no_images_and_a_dangling_link_is_a_missing_one(tree: Path) -> None:
    os.mkfifo(tree / "a" / "pipe.png")
    (tree / "b" / "gone.png").symlink_to("nowhere.png")
    source = folder.open_source(tree)
    assert source.ids == ("a/0.png", "a/1.png", "b/0.png", "b/1.png", "b/gone.png")
    assert source.read(4) is None


@pytest.mark.parametrize("given", ["/", "/..", "///"])
def test_the_whole_file_system_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--all", "--data", given]) == 2
    assert "is the whole file system; expected" in capsys.readouterr().err
    with pytest.raises(UserError, match="whole file system"):
        folder.open_source(Path(given))


def test_folders_that_vanish_while_they_are_read_are_no_error() -> None:
    for _ in images(Path("/proc/self"), depth=3):  # its folder of open files changes with every look
        pass


@pytest.mark.parametrize("where", [".", "b"])
def test_a_folder_that_may_not_be_read_is_named(tree: Path, where: str) -> None:
    closed = tree / where
    closed.chmod(0)
    asked = command("data", "info", "--data", tree)
    if os.geteuid() == 0:  # root may read everything, unless it gives that up
        if not shutil.which("setpriv"):
            pytest.skip("root may read every folder, and there is no setpriv to give that up")
        asked = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *asked]
    try:
        done = subprocess.run(asked, env=environment(), capture_output=True, text=True)
    finally:
        closed.chmod(0o755)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert str(closed) in done.stderr and "read" in done.stderr and "styles.csv" not in done.stderr
