"""Bringing an image that comes later than the rest of its part."""

from __future__ import annotations

import asyncio
from functools import partial

from bridge.plugin import Fetch, Unavailable, View
from bridge_hotfolder.disk import off_loop
from bridge_hotfolder.formats import ParseError
from bridge_hotfolder.options import HotfolderOptions
from bridge_hotfolder.reading import Images


def fetcher(images: Images, options: HotfolderOptions, event: float) -> Fetch:
    """Return what brings the images of a part that was complete at ``event``, by their references."""

    async def fetch(view: View) -> bytes:
        """Wait until the image is there and whole, or has not changed for ``stable_seconds``.

        The wait counts from the part's event, so that old parts without images do not add up; one look is
        always taken.

        Raises:
            Unavailable: if it does not come within ``image_wait_seconds``, or cannot be used at all.
        """
        if view.image is not None:
            return view.image
        if not view.reference:
            raise Unavailable(f"the view {view.name} has no image")
        loop = asyncio.get_running_loop()
        until = event + options.image_wait_seconds
        last, since = b"", loop.time()
        while True:
            data, whole = await _look(view.reference, images, options)
            if data != last:
                last, since = data, loop.time()
            if whole or (last and loop.time() - since >= options.stable_seconds):
                return data
            if loop.time() >= until:
                raise Unavailable(
                    f"the image {view.reference} did not come within {options.image_wait_seconds:g} s"
                )
            await asyncio.sleep(min(options.poll_seconds, until - loop.time()))

    return fetch


async def _look(reference: str, images: Images, options: HotfolderOptions) -> tuple[bytes, bool]:
    try:
        return await off_loop(options.share_seconds, partial(images.read, reference))
    except (ParseError, OSError) as exc:
        raise Unavailable(f"the image {reference} cannot be read: {exc}") from exc
