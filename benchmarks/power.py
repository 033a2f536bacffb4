"""The power of a disk that forgets: mounts ``power_disk.py`` in its own process, and cuts it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

DISK = Path(__file__).parent / "power_disk.py"
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.02


def missing() -> str:
    """Return what this machine lacks for such a disk, empty if nothing."""
    if not Path("/dev/fuse").exists():
        return "/dev/fuse: the kernel offers no file systems in user space here"
    if _unmount() is None:
        return "fusermount3: apt-get install fuse3"
    tried = subprocess.run([sys.executable, "-c", "import mfusepy"], capture_output=True, check=False)
    if tried.returncode:
        return "mfusepy and libfuse: pip install --group bench, apt-get install fuse3"
    with tempfile.TemporaryDirectory() as folder:
        return "" if _mounts(Path(folder)) else "permission to mount a file system in user space"


def _mounts(folder: Path) -> bool:
    """Return whether such a disk can be mounted here, by trying."""
    disk = subprocess.Popen(
        [sys.executable, str(DISK), str(folder)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + PATIENCE_SECONDS
    while not (mounted := folder.is_mount()) and disk.poll() is None and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    disk.communicate()
    return mounted


def _unmount() -> list[str] | None:
    for name in ("fusermount3", "fusermount"):
        if found := shutil.which(name):
            return [found, "-u"]
    return None


class Power:
    """The disk's switch."""

    def __init__(self, mountpoint: Path, seed: int) -> None:
        self.mountpoint = mountpoint
        self.forgotten = {"bytes": 0, "names": 0}
        """What was not yet on the platter at the cuts, all together."""
        self._command = [sys.executable, str(DISK), str(mountpoint), "--seed", str(seed)]
        self._process: asyncio.subprocess.Process | None = None

    async def cut(self) -> None:
        """Forget what was not fsynced, and come back; every process that used the disk must be dead.

        Raises:
            RuntimeError: somebody still uses the disk, or it does not come back.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        await self._unmounted()
        lost = json.loads(await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_SECONDS))
        self.forgotten = {name: count + lost[name] for name, count in self.forgotten.items()}
        await self._mounted()

    async def on(self) -> None:
        """Mount the disk, empty."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        await self._mounted()

    async def off(self) -> None:
        """Take the disk away for good."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _unmounted(self) -> None:
        command, until = [*(_unmount() or []), str(self.mountpoint)], time.monotonic() + PATIENCE_SECONDS
        while self.mountpoint.is_mount():
            done = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
            if await done.wait() == 0:
                return
            if time.monotonic() > until:
                raise RuntimeError(f"{self.mountpoint} is still in use")
            await asyncio.sleep(POLL_SECONDS)

    async def _mounted(self) -> None:
        assert self._process is not None
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.mountpoint.is_mount():
            if self._process.returncode is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.mountpoint} could not be mounted")
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def powered(mountpoint: Path, seed: int = 0) -> AsyncIterator[Power]:
    """Have such a disk mounted while the context lasts; with a seed its cuts are torn."""
    await asyncio.to_thread(mountpoint.mkdir, parents=True, exist_ok=True)
    power = Power(mountpoint, seed)
    await power.on()
    try:
        yield power
    finally:
        await power.off()
