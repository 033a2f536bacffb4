"""Real handshakes: both sides know whom they talk to, with curl as the third party."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from adapter_host import Host, decision_of
from http_host import Run
from plant_tls import PASSWORD, Plant

from bridge.plugin import ConfigError, Inspection, ServerTls, Unavailable, Verdict, counted
from bridge_http import HttpReporterOptions, open_reporter
from bridge_http.mes import open_mes, serve_mes
from bridge_http.peer import open_inspector

PART = Inspection(part="P1", legacy=Verdict.NG)


async def curl(*words: str) -> str:
    """Return the status that curl saw, 000 where there was none."""
    wanted = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20", *words]
    process = await asyncio.create_subprocess_exec(*wanted, stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].decode()


def post(url: str, *more: str) -> list[str]:
    return ["-F", "part=P1", url, *more]


async def test_curl_knows_the_source_by_its_certificate(plant: Plant, run: Run) -> None:
    """And does not believe another."""
    async with run(Host(), tls=plant.bridge.table) as source:
        assert await curl(*post(source.url, "--cacert", str(plant.ca))) == "200"
        assert await curl(*post(source.url, "--cacert", str(plant.strange_ca))) == "000"


async def test_only_a_client_with_a_certificate_of_ours_may_post(plant: Plant, run: Run) -> None:
    decider = Host()
    async with run(decider, tls={**plant.bridge.table, "client_ca": str(plant.ca)}) as source:
        ours = ["--cert", str(plant.machine.cert), "--key", str(plant.machine.key)]
        theirs = ["--cert", str(plant.stranger.cert), "--key", str(plant.stranger.key)]
        trusted = post(source.url, "--cacert", str(plant.ca))
        assert await curl(*trusted, *ours) == "200"
        assert await curl(*trusted, *theirs) == "000"
        assert await curl(*trusted) == "000"
    assert len(decider.parts) == 1


async def test_a_client_without_tls_is_turned_away_and_counted(plant: Plant, run: Run) -> None:
    before = counted("tls_refused")
    async with run(Host(), tls=plant.bridge.table) as source:
        assert await curl(*post(source.url.replace("https", "http"))) == "000"
    assert counted("tls_refused") == before + 1


@pytest.mark.parametrize("mutual", [{}, {"client_ca": True}])
async def test_the_simulated_inspector_speaks_tls(mutual: Any, plant: Plant, run: Run) -> None:
    """By the very options of the source."""
    tls = plant.bridge.table | ({"client_ca": str(plant.ca)} if mutual else {})
    async with run(Host(), tls=tls) as source, open_inspector(source.options) as play:
        assert await play(PART) is Verdict.NG


async def test_a_key_may_be_encrypted(plant: Plant, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    tls = {"cert": plant.bridge.cert, "key": plant.encrypted, "key_password": "env:KEY_PASSWORD"}
    async with run(Host(), tls=tls) as source:
        assert await curl(*post(source.url, "--cacert", str(plant.ca))) == "200"


async def test_a_file_that_is_missing_is_the_users_mistake(plant: Plant, run: Run) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        async with run(Host(), tls={**plant.bridge.table, "cert": "/nowhere.pem"}):
            pass


def hook(port: int, **tls: Any) -> HttpReporterOptions:
    return HttpReporterOptions(name="mes", url=f"https://127.0.0.1:{port}/hook", tls=tls)


async def test_a_webhook_goes_to_whom_we_believe_and_both_show_who_they_are(plant: Plant, port: int) -> None:
    """One table tells both sides: the simulated MES takes only clients of the plant."""
    told = hook(port, ca=plant.ca, **plant.bridge.table)
    async with open_mes(told) as mes:
        async with open_reporter(told) as report:
            await report(decision_of(PART))
        nameless = hook(port, ca=plant.ca)
        with pytest.raises(Unavailable):
            async with open_reporter(nameless) as report:
                await report(decision_of(PART))
        with pytest.raises(Unavailable, match="its certificate is not believed"):
            async with open_reporter(hook(port, ca=plant.strange_ca)):
                pass
    assert mes.arrivals.total() == 1


@pytest.mark.parametrize(
    ("pair", "name", "taken"),
    [
        ("bridge", None, 1),
        ("elsewhere", None, 0),
        ("elsewhere", "plc-7.plant", 1),
        ("expired", None, 0),
    ],
)
async def test_a_service_is_known_by_the_name_in_its_certificate(
    pair: str,
    name: str | None,
    taken: int,
    plant: Plant,
) -> None:
    shown = getattr(plant, pair)
    context = await asyncio.to_thread(ServerTls(cert=shown.cert, key=shown.key).context)
    async with serve_mes(tls=context) as mes:
        told = hook(mes.port, ca=plant.ca, server_name=name)
        if taken:
            async with open_reporter(told) as report:
                await report(decision_of(PART))
        else:
            with pytest.raises(Unavailable, match="its certificate is not believed"):
                async with open_reporter(told):
                    pass
    assert len(mes.documents) == taken


async def test_the_authorities_of_this_machine_are_believed_by_default(plant: Plant) -> None:
    """Which do not know the plant's."""
    context = await asyncio.to_thread(ServerTls(cert=plant.bridge.cert, key=plant.bridge.key).context)
    async with serve_mes(tls=context) as mes:
        with pytest.raises(Unavailable, match="its certificate is not believed"):
            async with open_reporter(HttpReporterOptions(name="mes", url=mes.url)):
                pass
