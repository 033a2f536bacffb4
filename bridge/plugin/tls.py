"""TLS for every connection of a plugin: one table for a listener, one for a dialler, and who may come at all.

A certificate and its key are files in PEM form. Mutual TLS is ``client_ca`` on the listening side, and ``cert``
with ``key`` on the dialling side. Nothing older than TLS 1.2 is spoken; a dialler always checks whom it reached.
Making a context reads files: ``await asyncio.to_thread(options.tls.context)``.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from bridge.errors import ConfigError
from bridge.plugin.options import Options, Secret

TLS_PASSWORD_BYTES = 1024
"""The longest password that OpenSSL takes."""


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

    def context(self, clients: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext:
        """Return the context of a listener; reads the files, so call it from a thread or before serving.

        Args:
            clients: with ``client_ca``, whether a client must have a certificate or only may.

        Raises:
            ConfigError: a file is missing, unreadable, or not what it should be.
        """
        context = _modern(ssl.PROTOCOL_TLS_SERVER)
        _identify(context, self.cert, self.key, self.key_password)
        if self.client_ca is not None:
            _trust(context, "client_ca", self.client_ca)
            context.verify_mode = clients
        return context

    def peer_context(self) -> ssl.SSLContext:
        """Return the context of a simulator that dials this listener; reads the files.

        It believes this listener's own certificate and no other, under whatever name it is dialled. Where
        clients need a certificate it shows the listener's own, as there is no other at hand.

        Raises:
            ConfigError: a file is missing, unreadable, or not what it should be.
        """
        context = pinned(_text("cert", self.cert))
        if self.client_ca is not None:
            _identify(context, self.cert, self.key, self.key_password)
        return context


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
        context = _modern(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca is None:
            context.load_default_certs()
        else:
            _trust(context, "ca", self.ca)
        if self.cert is not None and self.key is not None:
            _identify(context, self.cert, self.key, self.key_password)
        return context

    def peer_context(self) -> ssl.SSLContext:
        """Return the context of a simulator that listens for this dialler; reads the files.

        It shows the dialler's own certificate, as there is no other at hand: that must be signed by ``ca`` and
        bear the name that is dialled. A client without a certificate of ``ca`` is turned away.

        Raises:
            ConfigError: there is no certificate; a file is missing, unreadable, or not what it should be.
        """
        if self.cert is None or self.key is None:
            raise ConfigError("tls.cert", "is missing, and a simulator must show one", "write cert and key")
        context = _modern(ssl.PROTOCOL_TLS_SERVER)
        _identify(context, self.cert, self.key, self.key_password)
        if self.ca is not None:
            _trust(context, "ca", self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class EitherTls(ClientTls):
    """TLS of a plugin that listens in one role and dials in another: ``ca`` says in both whom we believe."""

    ca: Path | None = Field(default=None, examples=[Path("tls/plant-ca.pem")])
    """a file with the authorities that we believe (PEM); a listener then takes only clients that they know;
    left out, a dialler believes those of this machine and a listener takes every client"""

    def server(self) -> ServerTls:
        """Return the table of the listening role.

        Raises:
            ValueError: a listener needs cert and key.
        """
        if self.cert is None or self.key is None:
            raise ValueError("tls: has no cert, which a listener must show; write cert and key")
        return ServerTls.model_construct(
            cert=self.cert, key=self.key, key_password=self.key_password, client_ca=self.ca
        )


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as exc:
        raise ValueError("is no address and no network like 192.168.0.0/24") from exc
    return text


Network: TypeAlias = Annotated[str, AfterValidator(_network)]
"""An address, or a network like ``192.168.0.0/24``."""
LOOPBACK = ("127.0.0.0/8", "::1")
"""The networks that only this machine is in."""


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


def pinned(certificate: str) -> ssl.SSLContext:
    """Return a dialler's context that believes this one certificate (PEM) and no other, whatever its name.

    Raises:
        ConfigError: it is no certificate.
    """
    context = _modern(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate itself is known, so its name says nothing more
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=certificate)
    except (OSError, ValueError) as exc:
        raise ConfigError("tls.cert", "holds no certificate in PEM form") from exc
    return context


def why(exc: OSError) -> str:
    """Return in a few words why a connection failed, with TLS or without."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not believed: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        reason = str(getattr(exc, "reason", None) or "").lower().replace("_", " ")
        return f"TLS failed: {reason}" if reason else "TLS failed"
    if exc.errno is not None and exc.errno > 0:  # a name that does not resolve has numbers of its own
        return os.strerror(exc.errno)  # asyncio's own words repeat the address
    return exc.strerror or str(exc) or "closed by the peer"


def _identify(context: ssl.SSLContext, cert: Path, key: Path, password: Secret | None) -> None:
    _text("cert", cert)
    encrypted = "ENCRYPTED" in _text("key", key)
    if encrypted and password is None:
        raise ConfigError(f"tls.key {key}", "is encrypted", "write key_password, a reference to its password")
    secret = password.get_secret_value() if password else ""
    if len(secret.encode()) > TLS_PASSWORD_BYTES:
        raise ConfigError("tls.key_password", f"is longer than the {TLS_PASSWORD_BYTES} bytes that OpenSSL takes")
    try:
        context.load_cert_chain(cert, key, lambda: secret)  # without it OpenSSL would ask at the terminal
    except OSError as exc:  # SSLError is one too
        place = f"tls.cert {cert} with tls.key {key}"
        raise ConfigError(place, "cannot be used", _mend(exc, encrypted=encrypted)) from exc


def _mend(exc: OSError, *, encrypted: bool) -> str:
    """Return what to do about a certificate and a key that OpenSSL does not take together."""
    reason = str(getattr(exc, "reason", None) or "")
    if reason == "KEY_VALUES_MISMATCH":
        return "the key belongs to another certificate; write the pair that was made together"
    if encrypted:
        return "correct key_password, or encrypt the key anew"
    said = reason.lower().replace("_", " ") or str(exc)
    return f"write files in PEM form, a certificate and its private key ({said})"


def _trust(context: ssl.SSLContext, what: str, path: Path) -> None:
    text = _text(what, path)
    try:
        context.load_verify_locations(cadata=text)
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"tls.{what} {path}", "holds no certificate in PEM form", "write a file that does"
        ) from exc


def _text(what: str, path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="ignore")  # comments may hold any letter
    except OSError as exc:
        raise ConfigError(
            f"tls.{what} {path}", f"cannot be read ({exc.strerror})", "write a file that can"
        ) from exc


def _modern(side: int) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
