"""The label road over HTTP: acknowledged when written down, all of a request or nothing, nothing guessed."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.plugin import Label, Unavailable, Unreadable, Verdict
from bridge_http.label_codec import MOST, read_labels
from bridge_http.labels import open_labels
from bridge_http.options import HttpLabelOptions

NOW = 1_800_000_000.0
ONE = {"part": "B-1", "verdict": "false call", "who": "Kim", "time": 1_790_000_000}


def options(**more: Any) -> HttpLabelOptions:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return HttpLabelOptions.model_validate({"name": "repair", "port": port, **more})


class Book:
    """Takes labels, or refuses them as a full disk does."""

    def __init__(self) -> None:
        self.labels: list[Label] = []
        self.refusing = False

    async def __call__(self, labels: Sequence[Label]) -> None:
        if self.refusing:
            raise Unavailable("the disk is full")
        self.labels += labels


@asynccontextmanager
async def at_work(home: Path, book: Book, **more: Any) -> AsyncIterator[aiohttp.ClientSession]:
    chosen = options(home=home, **more)
    async with open_labels(chosen) as road:
        task = asyncio.ensure_future(road(book))
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{chosen.port}") as session:
                await _serving(session)
                yield session
        finally:
            task.cancel()
            await asyncio.wait({task})


async def _serving(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get("/healthz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.005)


async def post(session: aiohttp.ClientSession, body: Any, kind: str = "application/json", **headers: str) -> Any:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    named = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with session.post("/v1/labels", data=data, headers=named) as response:
        return response.status, json.loads(await response.read())


async def quarantined(home: Path, count: int) -> None:
    def found() -> int:
        return len(list((home / "quarantine").glob("*.json")))

    async with asyncio.timeout(20):
        while await asyncio.to_thread(found) < count:  # noqa: ASYNC110 - it is written behind the answers
            await asyncio.sleep(0.005)


async def test_what_is_posted_is_written_down_before_it_is_acknowledged(tmp_path: Path) -> None:
    """One document, a list of them, or a CSV with the station's columns."""
    book = Book()
    async with at_work(tmp_path, book, columns={"part": "SN", "verdict": "Result"}) as session:
        assert await post(session, ONE) == (200, {"taken": 1})
        assert await post(
            session, [{**ONE, "part": "B-2", "verdict": "NG"}, {"id": "ab" * 16, "verdict": "OK"}]
        ) == (
            200,
            {"taken": 2},
        )
        assert await post(session, "SN;Result\nB-3;OK\nB-4;NG\n", "text/csv; charset=utf-8") == (200, {"taken": 2})
    assert [(one.part or one.id[:2], one.verdict) for one in book.labels] == [
        ("B-1", Verdict.OK),
        ("B-2", Verdict.NG),
        ("ab", Verdict.OK),
        ("B-3", Verdict.OK),
        ("B-4", Verdict.NG),
    ]
    assert book.labels[0].at == 1_790_000_000


async def test_labels_that_are_not_written_down_are_not_acknowledged(tmp_path: Path) -> None:
    """The station is told to keep them, and the road goes on."""
    book = Book()
    book.refusing = True
    async with at_work(tmp_path, book) as session:
        status, said = await post(session, ONE)
        assert status == 503
        assert "keep them and send them again (the disk is full)" in said["detail"]
        book.refusing = False
        assert await post(session, ONE) == (200, {"taken": 1})
    assert len(book.labels) == 1


async def test_one_that_is_not_understood_refuses_its_request(tmp_path: Path) -> None:
    """It says which one, and the request is in quarantine."""
    book = Book()
    async with at_work(tmp_path, book) as session:
        status, said = await post(session, [ONE, {**ONE, "verdict": "RETEST"}])
        assert (status, said["detail"]) == (
            400,
            "label 2: the verdict 'RETEST' is in neither ok_words nor ng_words",
        )
        assert (await post(session, "part,verdict\nB-1,hm\n", "text/csv"))[1]["detail"].startswith("line 2: ")
        await quarantined(tmp_path, 2)
    assert book.labels == []


async def test_only_who_shows_the_token_is_heard(tmp_path: Path) -> None:
    """And never a page in a browser, nor another kind of body."""
    book = Book()
    os.environ["STATION_TOKEN"] = "open sesame"
    async with at_work(tmp_path, book, token="env:STATION_TOKEN") as session:
        assert (await post(session, ONE))[0] == 401
        assert (await post(session, ONE, Authorization="Bearer open barley"))[0] == 401
        assert (await post(session, ONE, Authorization="Bearer open sesame", Origin="http://evil"))[0] == 403
        assert (await post(session, ONE, "text/plain", Authorization="Bearer open sesame"))[0] == 415
        assert (await post(session, ONE, Authorization="Bearer open sesame"))[0] == 200
        async with session.post("/v1/inspections") as response:
            assert response.status == 404
    assert len(book.labels) == 1


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{", os.urandom(2000), b"[" * 5000, b'{"part": "B-1"}', b'{"part": 1, "verdict": "OK"}', b"[1, 2]"],
)
async def test_garbage_is_no_label(tmp_path: Path, garbage: bytes) -> None:
    """It is answered, and costs nobody who comes after it."""
    book = Book()
    async with at_work(tmp_path, book) as session:
        assert (await post(session, garbage))[0] == 400
        assert (await post(session, ONE))[0] == 200
    assert len(book.labels) == 1


class TestKeys:
    def test_the_request_names_its_labels(self) -> None:
        """The label's own key counts first, then the request's, then what was said and when."""
        body = json.dumps([{**ONE, "key": "own"}, ONE]).encode()
        found = read_labels(body, "application/json", options(), NOW, '"r1"')
        assert [one.key for one in found] == ["own", "r1#2"]
        (said,) = read_labels(json.dumps(ONE).encode(), "application/json", options(), NOW)
        assert said.key == read_labels(json.dumps([ONE]).encode(), "application/json", options(), NOW)[0].key
        (untimed,) = read_labels(b'{"part": "B-1", "verdict": "OK"}', "application/json", options(), NOW)
        assert untimed.key is None

    def test_there_are_only_so_many_in_one_request(self) -> None:
        """Sizes are bounded before they are understood."""
        rows = "B-1,OK\n" * (MOST + 1)
        with pytest.raises(Unreadable, match="more than 10000"):
            read_labels(f"part,verdict\n{rows}".encode(), "text/csv", options(), NOW)
        with pytest.raises(Unreadable, match="10000"):
            read_labels(json.dumps([ONE] * (MOST + 1)).encode(), "application/json", options(), NOW)
