"""The command studio: its address on this computer alone, and ports that it cannot have."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from portraiture.cli import main


@pytest.mark.parametrize("port", ["-1", "65536", "99999999999"])
def test_there_is_no_such_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["studio", "--no-browser", "--port", port])
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_port_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(SystemExit) as stop:
            main(["studio", "--no-browser", "--port", str(other.getsockname()[1])])
    assert stop.value.code == 2
    assert "another one" in " ".join(capsys.readouterr().err.split())


def test_it_answers_whoever_has_the_token_and_ends_on_a_signal() -> None:
    command = [sys.executable, "-m", "portraiture.cli", "studio", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"(http://127\.0\.0\.1:\d+/)#token=(\S+)", process.stdout.readline())
            assert found
            address, token = found.groups()
            with urllib.request.urlopen(address, timeout=60) as page:
                assert b"<title>Portraiture Studio</title>" in page.read()
            asked = urllib.request.Request(f"{address}api/panel")
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(asked, timeout=60)
            assert refused.value.code == 401
            refused.value.close()
            asked.add_header("X-Portraiture-Token", token)
            with urllib.request.urlopen(asked, timeout=60) as panel:
                assert b"hair_style" in panel.read()
        finally:
            process.terminate()
            assert process.wait(30) is not None
