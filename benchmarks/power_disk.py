# ruff: noqa: ARG002, D102 - the methods of Calls are FUSE's, with its signatures
"""A disk that forgets at a power cut whatever was not fsynced: a file system in user space (FUSE), kept in memory.

    python benchmarks/power_disk.py MOUNTPOINT [--seed 0]

What survives is told in forgetting.py. Unmounting is the power cut: what was not on the platter is dropped, one
JSON line says how much, and the disk is mounted again as the platter has it. With a seed other than 0 the cuts
are torn. It ends with its standard input. Needs mfusepy and libfuse (apt-get install fuse3).

Memory maps (SQLite's ``-shm``) go through the kernel's page cache, and are forgotten as well.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import json
import random
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

from forgetting import Disk, File, Folder, Node
from mfusepy import FUSE, FuseOSError, Operations


class Calls(Operations):  # type: ignore[misc]  # untyped
    """What the kernel asks of the disk; parameters and return values are FUSE's own."""

    use_ns = True

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._open: dict[int, File] = {}
        self._handles = itertools.count(1)

    def _find(self, path: str) -> Node:
        try:
            return self._disk.find(path)
        except OSError as exc:
            raise FuseOSError(exc.errno) from exc

    def _file(self, path: str, fh: int | None) -> File:
        node = self._open.get(fh or 0) or self._find(path)
        if isinstance(node, Folder):
            raise FuseOSError(errno.EISDIR)
        return node

    def _handle(self, file: File) -> int:
        handle = next(self._handles)
        self._open[handle] = file
        return handle

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        node = self._open.get(fh or 0) or self._find(path)
        kind = stat.S_IFREG if isinstance(node, File) else stat.S_IFDIR
        at = int(node.changed_at * 1e9)
        times = {"st_mtime": at, "st_ctime": at, "st_atime": at}
        size = len(node.seen) if isinstance(node, File) else 0
        return {"st_mode": kind | node.mode, "st_nlink": 1, "st_size": size, **times}

    def readdir(self, path: str, fh: int) -> list[str]:
        node = self._find(path)
        assert isinstance(node, Folder)
        return [".", "..", *node.seen]

    def create(self, path: str, mode: int, fi: object = None) -> int:
        file = File(mode=stat.S_IMODE(mode))
        folder, name = self._disk.place(path)
        self._disk.set((folder, name, file))
        return self._handle(file)

    def open(self, path: str, flags: int) -> int:
        return self._handle(self._file(path, None))

    def release(self, path: str, fh: int) -> int:
        self._open.pop(fh, None)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._file(path, fh).seen[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._file(path, fh).write(bytes(data), offset)
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._file(path, fh).truncate(length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._file(path, fh).fsync()
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        node = self._find(path)
        assert isinstance(node, Folder)
        self._disk.fsync_folder(node)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        folder, name = self._disk.place(path)
        self._disk.set((folder, name, Folder(mode=mode)))
        return 0

    def rmdir(self, path: str) -> int:
        node = self._find(path)
        if isinstance(node, Folder) and node.seen:
            raise FuseOSError(errno.ENOTEMPTY)
        return self.unlink(path)

    def unlink(self, path: str) -> int:
        self._find(path)
        self._disk.set((*self._disk.place(path), None))
        return 0

    def rename(self, old: str, new: str) -> int:
        node = self._find(old)
        self._disk.set((*self._disk.place(old), None), (*self._disk.place(new), node))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._find(path).mode = stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self._find(path).changed_at = times[1] / 1e9 if times else time.time()
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        blocks = 1 << 20
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": blocks, "f_bfree": blocks, "f_bavail": blocks}


def main() -> None:
    """Mount, and at every power cut mount again."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("mountpoint", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of torn cuts; 0 forgets all that was not fsynced (0)")
    args = parser.parse_args()
    over = threading.Event()
    threading.Thread(target=_until_left, args=(args.mountpoint, over), daemon=True).start()
    disk = Disk()
    chance = random.Random(args.seed) if args.seed else None  # noqa: S311 - a dice, no secret
    while not over.is_set():
        FUSE(Calls(disk), str(args.mountpoint), foreground=True, nothreads=True, fsname="power-disk")
        if not over.is_set():
            print(json.dumps(disk.cut(chance)), flush=True)


def _until_left(mountpoint: Path, over: threading.Event) -> None:
    """End with whoever started the disk, however that one ended."""
    sys.stdin.buffer.read()
    over.set()
    while True:  # until this process is gone
        for command in (["umount", "-l"], ["fusermount3", "-uz"]):
            subprocess.run([*command, str(mountpoint)], stderr=subprocess.DEVNULL, check=False)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
