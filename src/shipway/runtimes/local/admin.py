"""Envoy's admin interface over its UNIX socket, as far as the proxy needs it."""

import asyncio
import re
from collections.abc import Callable, Iterable

import httpx
import msgspec

_POLL = (0.002, 0.05)
"""First and longest wait in seconds between looks."""


class Admin:
    """Asks Envoy. Every method answers with "nothing" when Envoy does not."""

    def __init__(self, socket: str) -> None:
        self._web = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket), base_url="http://envoy", timeout=2.0
        )

    async def get(self, path: str, **params: str) -> bytes:
        """The body of an answer 200; empty otherwise."""
        try:
            response = await self._web.get(path, params=params)
        except httpx.HTTPError:
            return b""
        return response.content if response.status_code == 200 else b""

    async def is_live(self) -> bool:
        """Whether Envoy has started and serves."""
        return bool(await self.get("/ready"))

    async def stats(self, names: Iterable[str]) -> dict[str, object]:
        """Values by exact name: numbers of counters and gauges, text of readouts. Unused and unknown ones are missing."""
        pattern = "^(" + "|".join(re.escape(name) for name in names) + ")$"
        body = await self.get("/stats", format="json", usedonly="", filter=pattern)
        try:
            found = msgspec.json.decode(body, type=dict[str, list[dict[str, object]]])["stats"]
        except (msgspec.DecodeError, KeyError):
            return {}
        return {str(entry["name"]): entry["value"] for entry in found if "name" in entry and "value" in entry}

    async def agree(self, name: str, wanted: Callable[[], str], seconds: float) -> bool:
        """Wait until the text readout ``name`` has the wanted value. False when it has not after ``seconds``."""
        deadline = asyncio.get_running_loop().time() + seconds
        wait, longest = _POLL
        while (await self.stats([name])).get(name) != wanted():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(wait)
            wait = min(2 * wait, longest)
        return True

    async def listener(self, name: str) -> tuple[bool, str]:
        """(whether the listener accepts connections, why Envoy refused its last configuration)."""
        body = await self.get("/config_dump", resource="dynamic_listeners", name_regex=f"^{re.escape(name)}$")
        try:
            found = msgspec.json.decode(body, type=_Listeners).configs
        except msgspec.DecodeError:
            return False, "the proxy does not answer"
        if not found:
            return False, ""
        return found[0].active_state is not None, found[0].error_state.details if found[0].error_state else ""

    async def close(self) -> None:
        """Release the connection."""
        await self._web.aclose()


class _ErrorState(msgspec.Struct):
    details: str = ""


class _Listener(msgspec.Struct):
    active_state: dict[str, object] | None = None
    error_state: _ErrorState | None = None


class _Listeners(msgspec.Struct):
    configs: list[_Listener] = []
