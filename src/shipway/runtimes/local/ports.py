"""Loopback ports: finding free ones for instances, and saying who holds one that should be free."""

import secrets
import socket
from collections.abc import Container
from pathlib import Path

import psutil

from shipway.model.errors import RuntimeFault

LOWEST = 20_000
"""Below are the ports that people and services choose themselves."""

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(taken: Container[int]) -> int:
    """A port on 127.0.0.1 that nobody listens on and that is not in ``taken``.

    Below the kernel's ephemeral range: an instance between two lives must find its port again, and from inside that
    range any outgoing connection could have it.
    """
    highest = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32_768
    for _ in range(2000):
        port = LOWEST + secrets.randbelow(max(highest - LOWEST, 1000))
        if port not in taken and is_free(port):
            return port
    raise RuntimeFault("no free loopback port was found", hint="stop some of what listens on this machine")


def is_free(port: int) -> bool:
    """Whether ``port`` on 127.0.0.1 can be listened on now (connections in TIME_WAIT do not matter)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
            candidate.listen(1)
        except OSError:
            return False
    return True


def holder(port: int) -> int:
    """Pid of the process that listens on ``port``; 0 when that cannot be found out (another user's)."""
    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return 0
    return next((c.pid or 0 for c in found if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port), 0)


def describe_holder(port: int) -> str:
    """``process 4711 (nginx)``, or ``another process`` when it cannot be found out."""
    pid = holder(port)
    try:
        return f"process {pid} ({psutil.Process(pid).name()})" if pid else "another process"
    except psutil.Error:
        return f"process {pid}"
