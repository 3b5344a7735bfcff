"""The operations port of a service: `/health`, `/ready` and `/metrics`, plain HTTP, never public.

`/health` answers 200 while the process can serve at all and tells the state of what it depends on;
`/ready` answers 503 while work should go elsewhere: starting, draining, a dependency away that it cannot do without.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

CHECK_TIMEOUT_S = 1.0

Check = Callable[[], Awaitable[str | None]]
"""Answers None when all is well, else what is wrong, in words."""


def _of_this_process() -> bytes:
    return generate_latest(REGISTRY)


@dataclass(slots=True)
class Operations:
    """What the operations port tells. `checks` by dependency name; `facts` are added to `/health`.

    `tolerates` says, by dependency name, whether the service can do without that one now: degraded, and ready.
    `exposition` gives the service's metrics: of this process, or of all its workers.
    """

    service: str
    version: str
    checks: dict[str, Check]
    tolerates: dict[str, Callable[[], bool]] = field(default_factory=dict)
    facts: Callable[[], dict[str, object]] = field(default=dict)
    exposition: Callable[[], bytes] = _of_this_process
    started: bool = False
    draining: bool = False

    async def problems(self) -> dict[str, str]:
        """Each dependency that is not well, with what is wrong."""
        names = list(self.checks)
        answers = await asyncio.gather(*(self._run(self.checks[name]) for name in names))
        return {name: answer for name, answer in zip(names, answers, strict=True) if answer is not None}

    async def _run(self, check: Check) -> str | None:
        try:
            # wait, not wait_for: a check that does not take its cancellation must not hold the answer
            task = asyncio.ensure_future(check())
            done, _ = await asyncio.wait({task}, timeout=CHECK_TIMEOUT_S)
            if not done:
                task.cancel()
                return f"no answer within {CHECK_TIMEOUT_S} s"
            return task.result()
        except Exception as error:  # noqa: BLE001 - a check's failure is its answer
            return type(error).__name__

    async def health(self) -> tuple[bool, dict[str, object]]:
        """Whether it is ready, and the report."""
        problems = await self.problems()
        state = (
            "draining" if self.draining else "starting" if not self.started else "ok" if not problems else "degraded"
        )
        is_ready = self.started and not self.draining and all(self._can_do_without(name) for name in problems)
        return is_ready, {
            "status": state,
            "ready": is_ready,
            "service": self.service,
            "version": self.version,
            "checks": {name: problems.get(name, "ok") for name in self.checks},
            **self.facts(),
        }

    def _can_do_without(self, name: str) -> bool:
        return self.tolerates.get(name, _never)()


def _never() -> bool:
    return False


def operations_app(operations: Operations) -> web.Application:
    async def health(request: web.Request) -> web.Response:
        _, report = await operations.health()
        return web.Response(body=orjson.dumps(report), content_type="application/json")

    async def ready(request: web.Request) -> web.Response:
        is_ready, report = await operations.health()
        return web.Response(body=orjson.dumps(report), content_type="application/json", status=200 if is_ready else 503)

    async def metrics(request: web.Request) -> web.Response:
        return metrics_response(operations)

    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_get("/ready", ready)
    app.router.add_get("/metrics", metrics)
    return app


def metrics_response(operations: Operations) -> web.Response:
    """In Prometheus' text format."""
    return web.Response(body=operations.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@asynccontextmanager
async def serve_operations(operations: Operations, host: str, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(operations_app(operations), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port, reuse_address=True).start()
    try:
        yield
    finally:
        await runner.cleanup()
