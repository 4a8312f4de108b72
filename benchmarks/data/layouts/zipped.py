"""Members of a zip, read one at a time from several threads, without unpacking it."""

from __future__ import annotations

import stat
import threading
import zipfile
from pathlib import Path, PureWindowsPath

from benchmarks.support.errors import UserError

MAX_MEMBER_BYTES = 500_000_000  # a member that claims more is not unpacked into memory


class Zipped:
    """A zip file, none of whose members points outside of it."""

    def __init__(self, path: Path) -> None:
        """Open `path`; UserError if it is not a zip or a member points outside."""
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{path} is not a zip file that can be read ({error}).") from error
        self._lock = threading.Lock()
        self.path = path
        self.members = {info.filename: info for info in self._zip.infolist() if not info.is_dir()}
        for info in self._zip.infolist():
            _require_inside(info, path)

    def read(self, member: str) -> bytes:
        """Return a member's bytes; OSError if it is damaged, encrypted or too large."""
        info = self.members[member]
        if info.file_size > MAX_MEMBER_BYTES:
            raise OSError(f"{member} claims {info.file_size} bytes")
        try:
            with self._lock:  # ZipFile's reference count is not thread-safe
                return self._zip.read(info)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise OSError(f"{member} cannot be read ({error})") from error

    def stamp(self) -> list[tuple[str, int, int]]:
        """Return name, size and checksum of every member."""
        return sorted((info.filename, info.file_size, info.CRC) for info in self.members.values())


def _require_inside(info: zipfile.ZipInfo, path: Path) -> None:
    """Raise UserError for a member whose path or link leads outside the zip's folder."""
    name = PureWindowsPath(info.filename)  # handles both separators and drive letters
    if name.anchor or ".." in name.parts or stat.S_ISLNK(info.external_attr >> 16):
        raise UserError(f"{path} holds {info.filename!r}, which points outside its folder; it is not read.")
