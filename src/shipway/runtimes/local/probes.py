"""Asking an instance how it is: one probe at a time, over loopback. Used by ``instance``; decides nothing by itself."""

import asyncio
import contextlib

import httpx

from shipway.model.workload import Probe

_FIRST_WAIT = 0.05
"""Seconds until a start-up probe asks again for the first time; doubles up to the probe's interval."""


def client() -> httpx.AsyncClient:
    """The client for probes: a fresh connection each time, as a new caller of the service would have."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(limits=limits, headers={"user-agent": "shipway-probe"}, trust_env=False)


async def check(web: httpx.AsyncClient, probe: Probe, port: int) -> str:
    """Ask once. Empty when the instance is well, otherwise what was wrong, for people."""
    try:
        async with asyncio.timeout(probe.timeout):
            return await (_get(web, probe, port) if probe.path else _connect(port))
    except TimeoutError:
        return f"{describe(probe)}: no answer within {probe.timeout:g} s"
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{describe(probe)}: {str(error) or type(error).__name__}"


def describe(probe: Probe) -> str:
    """``GET /healthz`` or ``TCP connect``."""
    return f"GET {probe.path}" if probe.path else "TCP connect"


async def start_up(web: httpx.AsyncClient, probe: Probe, port: int) -> str:
    """Ask until the first success (empty) or until the probe's ``failures x interval`` seconds are over (the last fault).

    Asks more often in the beginning than the interval says: a service that is up in 0.2 s is not kept waiting.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + probe.failures * probe.interval
    wait = min(_FIRST_WAIT, probe.interval)
    while fault := await check(web, probe, port):
        if loop.time() + wait > deadline:
            return fault
        await asyncio.sleep(wait)
        wait = min(2 * wait, probe.interval)
    return ""


class Streak:
    """Counts failures in a row, so that one slow answer decides nothing."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.failures = 0

    async def ask(self, web: httpx.AsyncClient, port: int) -> tuple[bool, str]:
        """(whether the probe counts as passing, what was wrong last)."""
        fault = await check(web, self.probe, port)
        self.failures = self.failures + 1 if fault else 0
        return self.failures < self.probe.failures, fault


async def _get(web: httpx.AsyncClient, probe: Probe, port: int) -> str:
    response = await web.get(f"http://127.0.0.1:{port}{probe.path}", timeout=None)
    return "" if response.status_code < 400 else f"{describe(probe)}: status {response.status_code}"


async def _connect(port: int) -> str:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""
