"""TLS for every connection of a plugin: one table for a listener, one for a dialler, and who may come at all.

A certificate and its key are files in PEM form. Mutual TLS is ``client_ca`` on the listening side, and ``cert``
with ``key`` on the dialling side. Nothing older than TLS 1.2 is spoken; a dialler always checks whom it reached.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from bridge.errors import ConfigError
from bridge.plugin.options import Options, Secret


class ServerTls(Options):
    """How a listener proves who it is, and whom it believes."""

    cert: Path = Field(examples=[Path("tls/bridge.pem")])
    """a file with our certificate, and any between it and the authority (PEM)"""
    key: Path = Field(examples=[Path("tls/bridge.key")])
    """a file with the certificate's private key (PEM)"""
    key_password: Secret | None = Field(default=None, examples=["env:BRIDGE_KEY_PASSWORD"])
    """a reference to the password of an encrypted key"""
    client_ca: Path | None = Field(default=None, examples=[Path("tls/plant-ca.pem")])
    """a file with the authorities whose clients may come (PEM); left out, every client may"""

    def context(self) -> ssl.SSLContext:
        """Return the context of a listener; reads the files, so call it from a thread or before serving.

        Raises:
            ConfigError: a file is missing, unreadable, or not what it should be.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _identify(context, self.cert, self.key, self.key_password)
        if self.client_ca is not None:
            _trust(context, "client_ca", self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return _modern(context)


class ClientTls(Options):
    """How a dialler checks whom it reached, and proves who it is."""

    ca: Path | None = Field(default=None, examples=[Path("tls/plant-ca.pem")])
    """a file with the authorities that we believe (PEM); left out, those of this machine"""
    cert: Path | None = Field(default=None, examples=[Path("tls/bridge.pem")])
    """a file with our certificate, for a peer that asks for one (PEM)"""
    key: Path | None = Field(default=None, examples=[Path("tls/bridge.key")])
    """a file with the certificate's private key (PEM)"""
    key_password: Secret | None = Field(default=None, examples=["env:BRIDGE_KEY_PASSWORD"])
    """a reference to the password of an encrypted key"""
    server_name: str | None = Field(default=None, examples=["plc-7.plant"])
    """the name in the peer's certificate, where it is not the host that is dialled"""

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("has cert or key alone; write both, or neither")
        return self

    def context(self) -> ssl.SSLContext:
        """Return the context of a dialler; reads the files, so call it from a thread or before dialling.

        Raises:
            ConfigError: a file is missing, unreadable, or not what it should be.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca is None:
            context.load_default_certs()
        else:
            _trust(context, "ca", self.ca)
        if self.cert is not None and self.key is not None:
            _identify(context, self.cert, self.key, self.key_password)
        return _modern(context)


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as exc:
        raise ValueError("is no address and no network like 192.168.0.0/24") from exc
    return text


Network: TypeAlias = Annotated[str, AfterValidator(_network)]
"""An address, or a network like ``192.168.0.0/24``."""


def allowed(networks: Sequence[str], address: str) -> bool:
    """Return whether a peer of this address may come; every one may where no network is named.

    An IPv4 address that arrives over an IPv6 socket counts as the IPv4 address.
    """
    if not networks:
        return True
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(peer, "ipv4_mapped", None) or peer
    return any(plain in ipaddress.ip_network(network) for network in networks)


def _identify(context: ssl.SSLContext, cert: Path, key: Path, password: Secret | None) -> None:
    try:
        context.load_cert_chain(cert, key, password.get_secret_value if password else lambda: "")
    except OSError as exc:  # SSLError is one too
        raise ConfigError(f"tls.cert {cert} with tls.key {key}", f"cannot be used ({_said(exc)})") from exc


def _trust(context: ssl.SSLContext, what: str, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as exc:
        raise ConfigError(f"tls.{what} {path}", f"cannot be used ({_said(exc)})") from exc


def _said(exc: OSError) -> str:
    return getattr(exc, "reason", None) or exc.strerror or str(exc)


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
