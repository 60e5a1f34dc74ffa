"""A controller in a process of its own, for tests that kill it. Says "open" when it is, then does nothing until killed."""

import asyncio
import sys
from pathlib import Path

from shipway.model.ids import CommandId, Generation, ReleaseId
from shipway.model.routing import Routes
from shipway.model.weights import split
from shipway.rollout.commands import SetRoutes, StartRelease
from shipway.runtimes.local.runtime import LocalRuntime
from tests.runtimes.lab import SHOP, workload


async def main(directory: str, port: int) -> None:
    runtime = LocalRuntime(Path(directory))
    names = [ReleaseId("v1"), ReleaseId("v2")]
    await runtime.open(lambda _app, _event: None, {SHOP: names})
    for number, name in enumerate(names, start=1):
        await runtime.start(StartRelease(CommandId(name), Generation(number), workload(name)))
    while {i.state for name in names for i in runtime.instances(SHOP, name)} != {"ready"}:  # a test may poll
        await asyncio.sleep(0.02)
    routes = Routes(SHOP, port, split(names[0], names[1], 25.0), Generation(3), names[1])
    await runtime.set_routes(SetRoutes(CommandId("routes"), Generation(3), routes))
    print("open", flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
