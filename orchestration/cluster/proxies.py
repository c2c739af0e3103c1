"""Proxies are for other machines: what this one asks of itself never goes through one."""

from collections.abc import Mapping
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

HERE = ("localhost", "127.0.0.1", "::1")
NAMES = ("no_proxy", "NO_PROXY")
"""Programs read one or the other; urllib takes the first."""


def ask_here(question: str | Request, seconds: float) -> Any:
    """Open an address of a server that runs on this machine.

    Raises:
        OSError: no answer in time, or an error of HTTP.
    """
    return build_opener(ProxyHandler({})).open(question, timeout=seconds)


def without_proxies_here(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables by which libraries, and processes that are started, keep to that as well."""
    named = next((environment[name] for name in NAMES if environment.get(name)), "")
    hosts = [host.strip() for host in named.split(",") if host.strip()]
    return dict.fromkeys(NAMES, ",".join([*hosts, *(h for h in HERE if h not in hosts)]))
