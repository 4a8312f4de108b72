"""Find the image files below a folder, in spite of link cycles, pipes and files that vanish."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data.layouts.given import unreadable

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
Identity = tuple[int, int]  # device and inode of a folder


def images(root: Path, depth: int = 64) -> Iterator[str]:
    """Yield the image files below `root` as paths from there, sorted, hidden ones left out.

    A link to a folder is followed unless it leads back to a folder above it. Special files are not images; a dangling
    link with an image's name is, so that it is counted as missing. Raises UserError for an unreadable folder.
    """
    stack: list[tuple[str, frozenset[Identity]]] = [("", frozenset())]
    while stack:
        folder, above = stack.pop()
        place = os.path.join(root, folder)
        try:
            status = os.stat(place)
            entries = _entries(place)
        except (FileNotFoundError, NotADirectoryError):  # it was removed meanwhile
            continue
        except OSError as error:
            raise unreadable(place, error) from error
        own = (status.st_dev, status.st_ino)
        if own in above:
            continue
        names = [name for name, is_folder in entries if not is_folder]
        start = os.path.join(folder, "")
        yield from (start + name for name in names if name.lower().endswith(IMAGE_ENDINGS))
        if len(above) < depth:
            # reversed, because the last one pushed is read first
            folders = [os.path.join(folder, name) for name, is_folder in reversed(entries) if is_folder]
            stack += [(below, above | {own}) for below in folders]


def _entries(folder: str) -> list[tuple[str, bool]]:
    """Return the folders and regular files of a folder by name, and which are folders; hidden ones are left out."""
    with os.scandir(folder) as entries:
        kinds = [(entry.name, *_kind(entry)) for entry in entries if not entry.name.startswith(".")]
    return sorted((name, is_folder) for name, is_folder, is_file in kinds if is_folder or is_file)


def _kind(entry: os.DirEntry[str]) -> tuple[bool, bool]:
    """Return whether an entry is a folder, and whether it is a file or a link to no folder."""
    try:
        return entry.is_dir(), entry.is_file() or entry.is_symlink()
    except OSError:  # a link to itself
        return False, True
