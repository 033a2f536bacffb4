"""Certificates of a plant that exists for the length of a test run: made here, never kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

PASSWORD = "hunter2-of-the-plant"


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    cert: Path
    key: Path

    @property
    def table(self) -> dict[str, str]:
        """The two as they stand in a table of bridge.toml."""
        return {"cert": str(self.cert), "key": str(self.key)}


@dataclass(frozen=True)
class Plant:
    """An authority, what it signed, and what somebody else signed."""

    ca: Path
    bridge: Pair
    """for localhost and 127.0.0.1, good for listening and for dialling"""
    machine: Pair
    """for localhost and 127.0.0.1"""
    elsewhere: Pair
    """for plc-7.plant only"""
    expired: Pair
    encrypted: Path
    """the key of ``bridge`` under PASSWORD"""
    strange_ca: Path
    stranger: Pair
    """signed by the strange authority"""


def make_plant(folder: Path) -> Plant:
    """Make all of it; takes a moment."""
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(folder / "plant-ca.pem")
    theirs.cert_pem.write_to_path(folder / "strange-ca.pem")
    here = ("localhost", "127.0.0.1")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    bridge = ours.issue_cert(*here)
    encrypted = folder / "bridge-encrypted.key"
    encrypted.write_bytes(_encrypted(bridge.private_key_pem.bytes()))
    return Plant(
        ca=folder / "plant-ca.pem",
        bridge=_pair(folder, "bridge", bridge),
        machine=_pair(folder, "machine", ours.issue_cert(*here)),
        elsewhere=_pair(folder, "elsewhere", ours.issue_cert("plc-7.plant")),
        expired=_pair(folder, "expired", ours.issue_cert(*here, not_after=yesterday)),
        encrypted=encrypted,
        strange_ca=folder / "strange-ca.pem",
        stranger=_pair(folder, "stranger", theirs.issue_cert(*here)),
    )


def _pair(folder: Path, name: str, made: trustme.LeafCert) -> Pair:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(key)
    return Pair(cert, key)


def _encrypted(key: bytes) -> bytes:
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PASSWORD.encode()),
    )
