"""TLS tables: what a file may hold, who believes whom, and mistakes in one line each."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plant_tls import PASSWORD, Plant
from pydantic import BaseModel, ValidationError

from bridge.errors import ConfigError
from bridge.plugin import ClientTls, EitherTls, Network, ServerTls, allowed, pinned, why


class Listener(BaseModel):
    allow: tuple[Network, ...] = ()


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> bytes:
    """Let the two agree and send a word, without a socket; return what the server heard."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    listening = server.wrap_bio(to_server, to_client, server_side=True)
    dialling = client.wrap_bio(to_client, to_server, server_hostname=name)
    done: set[object] = set()
    for _ in range(10):
        for side in (dialling, listening):
            if side not in done:
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                done.add(side)
    dialling.write(b"word")
    heard: bytes = listening.read(4)
    return heard


def test_a_dialler_reaches_the_listener_that_its_authority_vouches_for(plant: Plant) -> None:
    server = ServerTls(cert=plant.bridge.cert, key=plant.bridge.key)
    assert shake(server.context(), ClientTls(ca=plant.ca).context()) == b"word"


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ("elsewhere", "Hostname mismatch, certificate is not valid for 'localhost'."),
        ("expired", "certificate has expired"),
        ("stranger", "unable to get local issuer certificate"),
    ],
)
def test_a_dialler_believes_no_other_certificate(plant: Plant, pair: str, reason: str) -> None:
    """A wrong name, an old certificate and a strange authority are refused, and said in words."""
    shown = getattr(plant, pair)
    server = ServerTls(cert=shown.cert, key=shown.key)
    with pytest.raises(ssl.SSLError) as caught:
        shake(server.context(), ClientTls(ca=plant.ca).context())
    assert why(caught.value) == f"its certificate is not believed: {reason}"


def test_nothing_is_believed_but_what_the_table_names(plant: Plant) -> None:
    """Without ``ca`` the machine's own authorities count, and those do not know the plant."""
    server = ServerTls(cert=plant.bridge.cert, key=plant.bridge.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server.context(), ClientTls().context())
    assert [c["serialNumber"] for c in ClientTls(ca=plant.ca).context().get_ca_certs()] != []
    assert len(ClientTls(ca=plant.ca).context().get_ca_certs()) == 1


@pytest.mark.parametrize(("client", "may"), [("machine", True), ("stranger", False), (None, False)])
def test_mutual_tls_takes_the_clients_of_its_authority_only(
    plant: Plant, client: str | None, *, may: bool
) -> None:
    server = ServerTls(cert=plant.bridge.cert, key=plant.bridge.key, client_ca=plant.ca)
    pair = getattr(plant, client) if client else None
    table = {"cert": pair.cert, "key": pair.key} if pair else {}
    dialler = ClientTls(ca=plant.ca, **table)
    if may:
        assert shake(server.context(), dialler.context()) == b"word"
    else:
        with pytest.raises(ssl.SSLError):
            shake(server.context(), dialler.context())


def test_nothing_older_than_tls_1_2_is_spoken(plant: Plant) -> None:
    server = ServerTls(cert=plant.bridge.cert, key=plant.bridge.key)
    client = ClientTls(ca=plant.ca, cert=plant.bridge.cert, key=plant.bridge.key)
    for context in (server.context(), server.peer_context(), client.context(), client.peer_context()):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_an_encrypted_key_opens_with_its_password(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    server = ServerTls.model_validate(
        {"cert": plant.bridge.cert, "key": plant.encrypted, "key_password": "env:KEY_PASSWORD"}
    )
    assert shake(server.context(), ClientTls(ca=plant.ca).context()) == b"word"
    assert PASSWORD not in repr(server) + str(server.model_dump()) + server.model_dump_json()


def test_an_encrypted_key_never_asks_at_a_terminal(plant: Plant) -> None:
    """OpenSSL would ask whoever sits there, and a service hangs; here it is one line, at once."""
    script = (
        "import fcntl, termios\n"
        "from bridge.plugin import ServerTls, ConfigError\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # this is the terminal at which it would ask\n"
        f"tls = ServerTls(cert={str(plant.bridge.cert)!r}, key={str(plant.encrypted)!r})\n"
        "try:\n    tls.context()\nexcept ConfigError as exc:\n    print(exc)\n"
    )
    ours, theirs = os.openpty()
    try:
        said = subprocess.run(
            [sys.executable, "-c", script],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=50,
            check=False,
            start_new_session=True,
        ).stdout.decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert said == f"tls.key {plant.encrypted}: is encrypted; write key_password, a reference to its password\n"


def wrong_password(plant: Plant, folder: Path) -> ServerTls:
    (folder / "password").write_text("guess", encoding="utf-8")
    table = {"cert": plant.bridge.cert, "key": plant.encrypted, "key_password": f"file:{folder / 'password'}"}
    return ServerTls.model_validate(table)


def long_password(plant: Plant, folder: Path) -> ServerTls:
    (folder / "password").write_text("x" * 2000, encoding="utf-8")
    table = {"cert": plant.bridge.cert, "key": plant.encrypted, "key_password": f"file:{folder / 'password'}"}
    return ServerTls.model_validate(table)


def other_key(plant: Plant, _: Path) -> ServerTls:
    return ServerTls(cert=plant.bridge.cert, key=plant.machine.key)


def no_file(plant: Plant, folder: Path) -> ServerTls:
    return ServerTls(cert=folder / "none.pem", key=plant.bridge.key)


def a_folder(plant: Plant, folder: Path) -> ServerTls:
    return ServerTls(cert=plant.bridge.cert, key=folder)


def no_pem(plant: Plant, folder: Path) -> ServerTls:
    (folder / "binary.pem").write_bytes(bytes(range(256)))
    return ServerTls(cert=folder / "binary.pem", key=plant.bridge.key)


def no_authority(plant: Plant, folder: Path) -> ServerTls:
    (folder / "empty.pem").write_bytes(b"")
    return ServerTls(cert=plant.bridge.cert, key=plant.bridge.key, client_ca=folder / "empty.pem")


def no_ca(plant: Plant, _: Path) -> ClientTls:
    return ClientTls(ca=plant.bridge.key)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (wrong_password, "cannot be used; correct key_password, or encrypt the key anew"),
        (long_password, "is longer than the 1024 bytes that OpenSSL takes"),
        (other_key, "the key belongs to another certificate; write the pair that was made together"),
        (no_file, "cannot be read (No such file or directory); write a file that can"),
        (a_folder, "cannot be read (Is a directory); write a file that can"),
        (no_pem, "write files in PEM form, a certificate and its private key"),
        (no_authority, "holds no certificate in PEM form; write a file that does"),
        (no_ca, "holds no certificate in PEM form; write a file that does"),
    ],
)
def test_a_file_that_is_no_good_is_one_line(
    plant: Plant, tmp_path: Path, made: Callable[[Plant, Path], ServerTls | ClientTls], said: str
) -> None:
    """The line names the file and says what to write; a password is never in it."""
    with pytest.raises(ConfigError) as caught:
        made(plant, tmp_path).context()
    assert said in str(caught.value)
    assert str(caught.value).startswith("tls.")
    assert "guess" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_certificate_without_its_key_is_a_mistake(plant: Plant) -> None:
    with pytest.raises(ValidationError, match="has cert or key alone; write both, or neither"):
        ClientTls(cert=plant.bridge.cert)


def test_a_comment_in_any_language_stands_beside_a_certificate(plant: Plant, tmp_path: Path) -> None:
    """Tools write the owner's name above a certificate, in whatever letters it has."""
    commented = tmp_path / "ca.pem"
    commented.write_bytes("# 발급자: 공장\n".encode() + plant.ca.read_bytes())
    server = ServerTls(cert=plant.bridge.cert, key=plant.bridge.key)
    assert shake(server.context(), ClientTls(ca=commented).context()) == b"word"


def test_a_simulator_of_a_dialler_believes_the_listener_alone(plant: Plant) -> None:
    """Whatever authority signed it and under whatever name: this certificate and no other."""
    for pair in (plant.bridge, plant.elsewhere, plant.stranger):
        server = ServerTls(cert=pair.cert, key=pair.key)
        assert shake(server.context(), server.peer_context()) == b"word"
    other = ServerTls(cert=plant.machine.cert, key=plant.machine.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(other.context(), ServerTls(cert=plant.bridge.cert, key=plant.bridge.key).peer_context())


def test_a_simulator_shows_a_certificate_where_the_listener_wants_one(plant: Plant) -> None:
    server = ServerTls(cert=plant.bridge.cert, key=plant.bridge.key, client_ca=plant.ca)
    assert shake(server.context(), server.peer_context()) == b"word"


def test_a_simulator_of_a_listener_shows_the_diallers_certificate(plant: Plant) -> None:
    client = ClientTls(ca=plant.ca, cert=plant.bridge.cert, key=plant.bridge.key)
    assert shake(client.peer_context(), client.context()) == b"word"
    with pytest.raises(ssl.SSLError):
        shake(client.peer_context(), ClientTls(ca=plant.ca).context())
    with pytest.raises(ConfigError, match="is missing, and a simulator must show one; write cert and key"):
        ClientTls(ca=plant.ca).peer_context()


def test_one_table_serves_a_plugin_of_two_roles(plant: Plant) -> None:
    either = EitherTls(ca=plant.ca, cert=plant.bridge.cert, key=plant.bridge.key)
    assert shake(either.server().context(), either.context()) == b"word"
    with pytest.raises(ssl.SSLError):
        shake(either.server().context(), ClientTls(ca=plant.ca).context())
    with pytest.raises(ValueError, match="tls: has no cert, which a listener must show; write cert and key"):
        EitherTls(ca=plant.ca).server()


def test_what_is_pinned_must_be_a_certificate() -> None:
    with pytest.raises(ConfigError, match="holds no certificate"):
        pinned("nonsense")


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 502)"),
            "Connection refused",
        ),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (ConnectionResetError(), "closed by the peer"),
        (OSError("odd"), "odd"),
        (ssl.SSLError(), "TLS failed"),
    ],
)
def test_a_failed_connection_is_told_in_words(exc: OSError, said: str) -> None:
    assert why(exc) == said


def test_nobody_named_means_everybody() -> None:
    assert allowed((), "203.0.113.9")


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_an_address_is_in_its_own_network_however_it_is_written(address: object, length: int) -> None:
    """An IPv4 peer of an IPv6 socket counts as the IPv4 address."""
    network = str(ipaddress.ip_network(f"{address}/{length}", strict=False))
    assert allowed([network], str(address))
    assert allowed([network], f"::ffff:{address}")


@pytest.mark.parametrize("address", ["192.168.1.1", "::1", "fe80::1%eth0", "", "?", "plc-7", "192.168.0.256"])
def test_whoever_is_not_named_is_a_stranger(address: str) -> None:
    assert not allowed(["192.168.0.0/24", "10.0.0.7"], address)


def test_a_scope_does_not_hide_an_address() -> None:
    assert allowed(["fe80::/10"], "fe80::1%eth0")


@pytest.mark.parametrize("text", ["192.168.0.5/24", "plc-7", "", "192.168.0.0/33", "*"])
def test_what_is_no_network_is_a_mistake(text: str) -> None:
    with pytest.raises(ValidationError, match="is no address and no network"):
        Listener(allow=(text,))


async def test_a_context_is_made_in_a_thread(plant: Plant) -> None:
    """As a plugin does it: the loop goes on."""
    context = await asyncio.to_thread(ServerTls(cert=plant.bridge.cert, key=plant.bridge.key).context)
    assert context.verify_mode is ssl.CERT_NONE
