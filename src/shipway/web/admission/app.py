"""The webhook as an ASGI application. Made in ``cli``, once per worker process.

Policies are looked at every few seconds; when they have changed, a new evaluator is made beside the old one and takes its
place between two requests, so none is dropped. Policies that cannot be used leave the old ones in force, which the log and
a counter say.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shipway.model.errors import ShipwayError
from shipway.policy.evaluating import Evaluator
from shipway.policy.releases import Scan
from shipway.web.admission.inventory import Inventory
from shipway.web.admission.metrics import Metrics
from shipway.web.admission.reviewing import review
from shipway.web.admission.watching import Watching

log = structlog.get_logger(__name__)
MAX_BODY = 8 * 1024 * 1024
"""Bytes. An object has at most 1.5 MiB in etcd; a review holds two, and room for their encoding."""


class Policies(Watching[Evaluator]):
    """The evaluator in force, and how it is replaced."""

    def __init__(self, read: Callable[[], Evaluator], stamp: Callable[[], object], metrics: Metrics) -> None:
        super().__init__(read, stamp)
        self._metrics = metrics
        self.evaluator = read()
        metrics.rules = len(self.evaluator.rules)

    def _replace(self, found: Evaluator) -> None:
        self.evaluator = found
        self._metrics.reloads += 1
        self._metrics.rules = len(found.rules)
        log.info("policies replaced", rules=len(found.rules))

    def _keep(self, error: ShipwayError) -> None:
        self._metrics.failed_reloads += 1
        problems = [str(one) for one in getattr(error, "problems", ())][:20]
        log.error("policies cannot be used; the old ones stay in force", error=error.message, problems=problems)


def create_app(
    read: Callable[[], Evaluator],
    stamp: Callable[[], object],
    *,
    worker: str = "",
    every: float = 2.0,
    scan: Scan | None = None,
    inventory: Inventory | None = None,
) -> Starlette:
    """The application. ``read`` makes an evaluator of the policies as they are; ``stamp`` changes when they do;
    ``scan`` finds secrets in objects; ``inventory`` is what else there is, None when nobody knows.

    Raises:
        ShipwayError: the policies cannot be used; a server must not begin without them.
    """
    metrics = Metrics(worker)
    policies = Policies(read, stamp, metrics)

    async def validate(request: Request) -> Response:
        body = await request.body()
        if len(body) > MAX_BODY:
            metrics.refused += 1
            return PlainTextResponse(f"expected at most {MAX_BODY:,} bytes\n", 413)
        began = time.perf_counter()
        try:
            around = inventory.around if inventory is not None else None
            answered = review(body, policies.evaluator, time.time(), scan, around)
        except ValueError as error:
            metrics.refused += 1
            return PlainTextResponse(f"{error}\n", 400)
        if inventory is not None:
            inventory.note(answered)
        metrics.answered(answered.operation, allowed=answered.allowed, seconds=time.perf_counter() - began)
        for finding in answered.findings:
            metrics.found(finding.rule, finding.status)
        return Response(answered.body, media_type="application/json")

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def show_metrics(_request: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        watching = [asyncio.create_task(policies.watch(every))]
        watching += [asyncio.create_task(inventory.watch(every))] if inventory is not None else []
        yield
        for task in watching:
            task.cancel()

    routes = [
        Route("/validate", validate, methods=["POST"]),
        Route("/healthz", healthz),
        Route("/metrics", show_metrics),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.policies = policies
    app.state.inventory = inventory
    return app
