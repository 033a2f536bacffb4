"""Which camera is which: each kind by its own driver, and no library but the one that it needs."""

from __future__ import annotations

from bridge_camera.device import Device, Settings


def open_device(camera: Settings) -> Device:
    """Open the camera of these options; only the library that it needs is imported.

    Raises:
        Away: it cannot be opened.
    """
    if camera["kind"] != "folder" or camera["rotate"] or camera["encoding"]:
        import bridge_camera.encoding  # noqa: F401, PLC0415 - now, and not while the first part waits
    match camera["kind"]:
        case "opencv":
            from bridge_camera.opencv_device import OpenCvDevice  # noqa: PLC0415 - only what is needed

            return OpenCvDevice(camera)
        case "genicam":
            from bridge_camera.genicam_device import GenicamDevice  # noqa: PLC0415 - same

            return GenicamDevice(camera)
        case "video":
            from bridge_camera.video_device import VideoDevice  # noqa: PLC0415 - same

            return VideoDevice(camera)
        case kind:
            assert kind == "folder"  # noqa: S101 - the gateway has checked it
            from bridge_camera.folder_device import FolderDevice  # noqa: PLC0415 - same

            return FolderDevice(camera)
