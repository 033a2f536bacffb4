"""The commands of SECURITY.md make certificates that the bridge takes."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from bridge.plugin import ClientTls, ServerTls

PAGE = (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_commands_of_the_page_work(tmp_path: Path) -> None:
    """Listener and dialler take what they make, and believe each other."""
    [commands] = re.findall(r"```sh\n(openssl.*?)```", PAGE, re.DOTALL)
    shell = shutil.which("sh")
    assert shell
    subprocess.run([shell, "-ec", commands], cwd=tmp_path, check=True, capture_output=True, timeout=50)
    ours = {"cert": tmp_path / "bridge.pem", "key": tmp_path / "bridge.key"}
    ca = tmp_path / "plant-ca.pem"
    server = ServerTls(**ours, client_ca=ca).context()
    client = ClientTls(**ours, ca=ca).context()
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for side in sides * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert [side.version() for side in sides] == ["TLSv1.3", "TLSv1.3"]
