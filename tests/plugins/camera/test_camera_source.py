"""Between what triggers and the line: pictures of the part that stands there, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from camera_rig import PATIENCE_SECONDS, answering, jpeg, number_of

from bridge.plugin import (
    Decision,
    Fetch,
    Goal,
    Inspect,
    Inspection,
    Source,
    SourceOptions,
    Stage,
    Unavailable,
    View,
)
from bridge.plugin.discovery import Plugged, Plugin
from bridge_camera.options import Camera, CameraSourceOptions
from bridge_camera.source import open_source


@dataclass
class Bell:
    """What triggers: a source that hands in what the test rings with."""

    inspect: Inspect | None = None
    opened: Path | None = None
    closed: bool = False
    _running: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(self, options: SourceOptions) -> AsyncIterator[Source]:
        self.opened = options.home

        async def run(inspect: Inspect) -> None:
            self.inspect = inspect
            self._running.set()
            await asyncio.get_running_loop().create_future()

        yield run
        self.closed = True

    async def ring(self, part: Inspection) -> Decision:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._running.wait()
        assert self.inspect is not None
        return await self.inspect(part)


@dataclass
class Host:
    """A line: keeps the part, and fetches every view's picture."""

    parts: list[Inspection] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    fetches: list[Fetch | None] = field(default_factory=list)
    fetching: bool = True
    seconds: float = PATIENCE_SECONDS
    """How long the answer is of use."""

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        self.parts.append(part)
        self.fetches.append(fetch)
        if fetch is not None and self.fetching:
            await asyncio.gather(*(self._fetch(fetch, view) for view in part.views))
        expires = asyncio.get_running_loop().time() + self.seconds
        decided = Decision(id="0" * 32, line="l", goal=Goal.REPLACE, stage=Stage.LIVE, part=part.part)
        return replace(decided, recorded=True, expires=expires)

    async def _fetch(self, fetch: Fetch, view: View) -> None:
        try:
            self.pictures[view.name] = await fetch(view)
        except Unavailable as exc:
            self.missing[view.name] = str(exc)


Station = Callable[..., AbstractAsyncContextManager[tuple[Bell, Host]]]


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """A station of folders; each answers with the number of its camera, but the dark ones."""

    @asynccontextmanager
    async def running(
        names: Sequence[str] = ("front", "back"), dark: Sequence[str] = (), dark_ms: int = 200, **options: Any
    ) -> AsyncIterator[tuple[Bell, Host]]:
        bell, host, cameras = Bell(), Host(), []
        async with AsyncExitStack() as stack:
            for number, name in enumerate(names):
                folder = tmp_path / name
                folder.mkdir()
                timeout = dark_ms if name in dark else 9000
                cameras.append(
                    Camera(name=name, kind="folder", path=folder, trigger="software", timeout_ms=timeout)
                )
                if name not in dark:
                    picture = jpeg(number)
                    await stack.enter_async_context(answering(folder, lambda _, p=picture: p))  # type: ignore[misc]
            plugin = Plugin("source", "bell", SourceOptions, bell.open, "")
            wrapped = Plugged(plugin, SourceOptions())
            given = CameraSourceOptions.model_validate({"trigger": wrapped, "camera": tuple(cameras), **options})
            at_home = given.model_copy(update={"home": tmp_path / "home"})
            source = await stack.enter_async_context(open_source(at_home))
            task = asyncio.create_task(source(host))  # type: ignore[arg-type]
            try:
                yield bell, host
            finally:
                task.cancel()
                await asyncio.wait([task])

    return running


def a_part(**given: Any) -> Inspection:
    return Inspection(part="A", key="k-A", recipe="M10", sequence=7, **given)


async def test_every_camera_gives_its_view(station: Station, tmp_path: Path) -> None:
    """The part is the trigger's own but for the views, which are the cameras' in their order."""
    now = asyncio.get_running_loop().time()
    part = a_part(event=now + PATIENCE_SECONDS, views=(View(name="of the trigger", image=b"x"),))
    async with station() as (bell, host):
        await bell.ring(part)
    (handed,) = host.parts
    assert handed == replace(part, views=(View(name="front"), View(name="back")))
    assert {name: number_of(picture) for name, picture in host.pictures.items()} == {"front": 0, "back": 1}
    assert bell.opened == tmp_path / "home" / "trigger", "what triggers has a folder of its own"
    assert bell.closed


async def test_one_dark_camera_costs_one_view(station: Station) -> None:
    async with station(dark=["back"]) as (bell, host):
        await bell.ring(a_part())
    assert number_of(host.pictures["front"]) == 0
    assert host.missing == {"back": "camera back: no frame that began after the trigger came in time"}


@pytest.mark.parametrize(
    "late",
    [
        lambda _: {"backlog": True},
        lambda now: {"event": now - 0.5},
    ],
)
async def test_a_part_that_has_gone_gets_no_picture_of_another(
    station: Station, late: Callable[[float], dict[str, Any]]
) -> None:
    """Its views are there and cannot be tied to it; nothing is fetched."""
    async with station(shoot_within_ms=300) as (bell, host):
        await bell.ring(a_part(**late(asyncio.get_running_loop().time())))
    assert [view.tied for view in host.parts[0].views] == [False, False]
    assert host.fetches == [None]


async def test_a_picture_may_be_fetched_after_the_answer(station: Station) -> None:
    """In shadow the part is judged after the answer, which lets it go only once it was photographed."""
    async with station() as (bell, host):
        host.fetching = False
        await bell.ring(a_part())
        await bell.ring(a_part())
        for fetch in reversed(host.fetches):
            assert fetch is not None
            assert number_of(await fetch(View(name="back"))) == 1
            assert number_of(await fetch(View(name="back"))) == 1


async def test_an_answer_is_not_held_back_beyond_half_of_its_time(station: Station) -> None:
    """A camera that takes no picture must not make the verdict late."""
    async with station(dark=["front"], dark_ms=9000) as (bell, host):
        host.fetching, host.seconds = False, 0.4
        began = asyncio.get_running_loop().time()
        await bell.ring(a_part())
        assert asyncio.get_running_loop().time() - began < 0.4


async def test_cameras_that_are_away_do_not_hold_the_line_up(station: Station, tmp_path: Path) -> None:
    """It opens all the same, and every part lacks its view."""
    gone = Camera(name="gone", kind="folder", path=tmp_path / "nowhere", trigger="software")
    async with station(camera=(gone,)) as (bell, host):
        await bell.ring(a_part())
    assert host.missing["gone"].startswith("camera gone: is away: ")


async def test_who_insists_on_the_cameras_does_not_start_without_them(station: Station, tmp_path: Path) -> None:
    gone = Camera(name="gone", kind="folder", path=tmp_path / "nowhere", trigger="software")
    with pytest.raises(Unavailable, match=r"camera gone: .* cannot be listed"):
        async with station(camera=(gone,), when_unreachable="stop"):
            pass
