"""Resolve a table's paths to files, all of them below one folder."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.support.errors import UserError


class ImageRoot:
    """The folder that contains a table's images, and the folders that its relative paths start from."""

    def __init__(self, table: Path, image_root: Path | None) -> None:
        """Use `image_root`, or the table's own folder if it is None. UserError if `image_root` is not a folder."""
        if image_root is not None and not image_root.is_dir():
            raise UserError(f"--image-root {image_root} is not a folder; give one that is above all images.")
        self._table = table
        own = os.path.realpath(table if table.is_dir() else table.parent)
        self._root = own if image_root is None else os.path.realpath(image_root)
        self._starts = tuple(dict.fromkeys((own, self._root)))

    def file(self, cell: str) -> str:
        """Return the first existing file that a cell can refer to; UserError if it is not below the root."""
        files = [os.path.normpath(os.path.join(start, cell)) for start in self._starts]
        allowed = [file for file in files if self._is_below(file, cell)]
        if not allowed:
            raise UserError(
                f"{self._table} lists {cell!r}, which is outside {self._root}; give the folder above all images with "
                "--image-root DIR."
            )
        return next(filter(os.path.exists, allowed), allowed[0])

    def relative(self, file: str) -> str:
        """Return a file's path relative to the root."""
        below = os.path.commonpath([self._root, file]) == self._root
        return os.path.relpath(file if below else os.path.realpath(file), self._root)

    def _is_below(self, file: str, cell: str) -> bool:
        """Whether a file is below the root, links followed."""
        try:
            return os.path.commonpath([self._root, os.path.realpath(file)]) == self._root
        except ValueError:
            raise UserError(f"{self._table} lists {cell!r}, which is not a path.") from None
