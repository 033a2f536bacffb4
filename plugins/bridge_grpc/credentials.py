"""TLS tables as gRPC takes them: PEM bytes, with the key in the clear. Files are read in a thread.

Each table is tried with Python's own TLS first, whose mistakes come out as one clear line.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import grpc

from bridge.plugin import ClientTls, ConfigError, Secret, ServerTls


async def listener_credentials(tls: ServerTls | None) -> grpc.ServerCredentials | None:
    """Return what a listener shows and whom it believes; None for plain text.

    Raises:
        ConfigError: a file is missing, unreadable, or not what it should be.
    """
    return None if tls is None else await asyncio.to_thread(_listener, tls)


def _listener(tls: ServerTls) -> grpc.ServerCredentials:
    tls.context()
    ca = tls.client_ca.read_bytes() if tls.client_ca else None
    pair = (_key(tls.key, tls.key_password), tls.cert.read_bytes())
    return grpc.ssl_server_credentials([pair], root_certificates=ca, require_client_auth=ca is not None)


async def dialler_credentials(tls: ClientTls | None) -> grpc.ChannelCredentials | None:
    """Return whom a dialler believes and what it shows; None for plain text.

    Raises:
        ConfigError: a file is missing, unreadable, or not what it should be.
    """
    return None if tls is None else await asyncio.to_thread(_dialler, tls)


def _dialler(tls: ClientTls) -> grpc.ChannelCredentials:
    tls.context()
    ca = tls.ca.read_bytes() if tls.ca else _machines_authorities()
    if tls.cert is None or tls.key is None:
        return grpc.ssl_channel_credentials(ca)
    return grpc.ssl_channel_credentials(ca, _key(tls.key, tls.key_password), tls.cert.read_bytes())


def _machines_authorities() -> bytes:
    """Return the authorities of this machine; gRPC would take a list that it brought along."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    known = context.get_ca_certs(binary_form=True)
    if not known:
        raise ConfigError("tls.ca", "is left out, and this machine lists no authorities", "write ca")
    return "".join(map(ssl.DER_cert_to_PEM_cert, known)).encode()


def _key(path: Path, password: Secret | None) -> bytes:
    """Return a private key in the clear: gRPC has no place for a password."""
    data = path.read_bytes()
    if password is None or b"ENCRYPTED" not in data:
        return data
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow, and seldom needed

    key = serialization.load_pem_private_key(data, password.get_secret_value().encode())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


async def playing_dialler(tls: ServerTls | None) -> tuple[grpc.ChannelCredentials | None, str | None]:
    """Return how a simulator dials the listener of a table, and the name that it expects.

    It believes the listener's own certificate; where clients need one it shows the same.

    Raises:
        ConfigError: a file is missing, unreadable, or not what it should be.
    """
    return (None, None) if tls is None else await asyncio.to_thread(_playing_dialler, tls)


def _playing_dialler(tls: ServerTls) -> tuple[grpc.ChannelCredentials, str]:
    from cryptography import x509  # noqa: PLC0415 - slow, and for simulators only

    tls.peer_context()
    cert = tls.cert.read_bytes()
    alternatives = x509.load_pem_x509_certificate(cert).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    names = [str(name.value) for name in alternatives.value if isinstance(name, x509.DNSName | x509.IPAddress)]
    shown = (_key(tls.key, tls.key_password), cert) if tls.client_ca else (None, None)
    return grpc.ssl_channel_credentials(cert, *shown), names[0]


async def playing_listener(tls: ClientTls | None) -> grpc.ServerCredentials | None:
    """Return how a simulator listens for the dialler of a table: it shows the dialler's own certificate.

    Raises:
        ConfigError: there is no certificate; a file is missing, unreadable, or not what it should be.
    """
    return None if tls is None else await asyncio.to_thread(_playing_listener, tls)


def _playing_listener(tls: ClientTls) -> grpc.ServerCredentials:
    tls.peer_context()
    if tls.cert is None or tls.key is None:
        raise ConfigError("tls.cert", "is missing, and a simulator must show one", "write cert and key")
    return _listener(ServerTls(cert=tls.cert, key=tls.key, key_password=tls.key_password, client_ca=tls.ca))
