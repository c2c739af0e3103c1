"""What this machine asks of itself goes through no proxy."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import getproxies_environment, proxy_bypass_environment

import pytest
import requests

from orchestration.cluster.proxies import ask_here, without_proxies_here

DEAD = "http://127.0.0.1:9"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, DEAD)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("exempt", [None, "", "example.org"])
def test_an_own_server_is_asked_directly(
    exempt: str | None, address: str, behind_a_proxy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if exempt is not None:
        monkeypatch.setenv("no_proxy", exempt)
    with ask_here(address, 5) as answer:
        assert answer.read() == b"here"


def test_libraries_ask_it_directly_too(
    address: str, behind_a_proxy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get(address, timeout=5)
    for name, value in without_proxies_here({"NO_PROXY": "example.org"}).items():
        monkeypatch.setenv(name, value)
    assert requests.get(address, timeout=5).text == "here"
    assert proxy_bypass_environment("localhost") and proxy_bypass_environment("example.org")
    assert not proxy_bypass_environment("elsewhere.org")
    assert getproxies_environment()["http"] == DEAD


def test_hosts_that_are_exempt_stay_so_and_are_named_once() -> None:
    once = without_proxies_here({"no_proxy": "a.org, localhost"})
    assert once == without_proxies_here(once)
    assert once["NO_PROXY"] == "a.org,localhost,127.0.0.1,::1"
