"""``aoi-bridge check`` on a station of cameras: each is opened and takes two pictures, then the trigger is tried.

No part is triggered. A camera that only a wire makes shoot is opened and no more.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.plugin import Finding, Plugged, Unavailable, check_of
from bridge_camera.codec import Shot
from bridge_camera.host import Worker, start
from bridge_camera.options import Camera, CameraSourceOptions

OPEN_SECONDS: Final = 8.0
"""The command gives a plugin fifteen seconds in all."""
PICTURE_SECONDS: Final = 2.0


async def check(options: CameraSourceOptions, *, write_test: bool = False) -> list[Finding]:
    """Try every camera, all at once as on a part, and then what triggers."""
    found = await asyncio.gather(*(_camera(camera) for camera in options.camera))
    return [
        *(finding for findings in found for finding in findings),
        *await _trigger(options, write_test=write_test),
    ]


async def _camera(camera: Camera) -> list[Finding]:
    what = f"camera {camera.name}"
    try:
        async with start() as worker:
            findings = [Finding(what, good=True, said=await worker.open(camera, OPEN_SECONDS))]
            if camera.trigger == "line":
                return [
                    *findings,
                    Finding(f"{what}: pictures", good=None, said="only a part on the wire shoots it"),
                ]
            return [*findings, *await _pictures(camera, worker)]
    except Unavailable as exc:
        return [Finding(what, good=False, said=str(exc))]


async def _pictures(camera: Camera, worker: Worker) -> list[Finding]:
    what = f"camera {camera.name}: pictures"
    serving = asyncio.create_task(worker.serve())
    try:
        first, one = await _picture(camera, worker)
        second, other = await _picture(camera, worker)
    except Unavailable as exc:
        if camera.kind == "folder":
            return [Finding(what, good=None, said=f"nothing put one there: {exc}")]
        return [Finding(what, good=False, said=str(exc))]
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    return [
        Finding(what, good=True, said=_described(other, len(second), worker.period)),
        _changes(camera, changed=first != second, counted=other.frame > one.frame),
    ]


async def _picture(camera: Camera, worker: Worker) -> tuple[bytes, Shot]:
    now = asyncio.get_running_loop().time()
    seconds = max(PICTURE_SECONDS, camera.timeout_ms / 1000)
    return await worker.shoot(now, now + seconds)


def _described(shot: Shot, size: int, period: float) -> str:
    age = (shot.arrived - shot.exposed) * 1000
    said = [f"{shot.width}x{shot.height}" if shot.width else "as the file has it", f"{size / 1000:.0f} kB"]
    said.append(f"exposed at most {age:.0f} ms before it came")
    if period:
        said.append(f"a frame every {period * 1000:.0f} ms")
    return ", ".join(said)


def _changes(camera: Camera, *, changed: bool, counted: bool) -> Finding:
    what = f"camera {camera.name}: picture changes"
    if changed and counted:
        return Finding(what, good=True, said="two pictures differ, as those of a sensor do")
    return Finding(
        what, good=False, said="two pictures are the same, byte for byte: such a view counts as missing"
    )


async def _trigger(options: CameraSourceOptions, *, write_test: bool) -> list[Finding]:
    """Ask the trigger's own check, or open and close it."""
    trigger: Plugged = options.trigger
    home = options.home / "trigger"
    own = await asyncio.to_thread(check_of, trigger.plugin)
    if own is not None:
        checked = trigger.options.model_copy(update={"home": home})
        found = await own(checked, write_test=write_test)
        return [Finding(f"trigger: {one.what}", one.good, one.said) for one in found]
    try:
        async with trigger.open(home):
            return [Finding("trigger: opens", good=True, said="opened and closed again")]
    except Unavailable as exc:
        return [Finding("trigger: opens", good=False, said=str(exc))]
