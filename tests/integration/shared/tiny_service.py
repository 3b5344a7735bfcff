"""A service as small as can be: `python tiny_service.py WORKERS PORT OPS_PORT DRAIN_S`.

GET /            says which process answers, and counts it
POST /held       says which process answers, then waits for the body and sends it back: a request in flight
GET /stuck       blocks the worker's event loop for good
"""

import asyncio
import os
import sys
import time

from gateway_shared import canonical_log
from gateway_shared.operations import Operations
from gateway_shared.workers import Service, Worker, supervise
from gateway_shared.workers.supervisor import Work


def load() -> Work:
    from aiohttp import web  # noqa: PLC0415 - what is heavy is imported here, before the fork

    from gateway_shared.metrics import Counter, Gauge, Histogram  # noqa: PLC0415
    from gateway_shared.multiprocess_metrics import compute  # noqa: PLC0415

    requests = Counter("tiny_requests", "Requests", ["path"])
    seconds = Histogram("tiny_seconds", "Seconds", buckets=(0.1, 1, 10))
    pids = Gauge("tiny_computed", "Each worker says 1", multiprocess_mode="livesum")

    in_flight: set[int] = set()
    an_end = asyncio.Event()

    async def who(request: web.Request) -> web.Response:
        requests.labels("/").inc()
        seconds.observe(0.5)
        return web.Response(text=str(os.getpid()))

    async def held(request: web.Request) -> web.StreamResponse:
        in_flight.add(id(request))
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(f"{os.getpid()}\n".encode())
        await response.write(await request.read())
        await response.write_eof()
        in_flight.discard(id(request))
        an_end.set()
        return response

    async def stuck(request: web.Request) -> web.Response:
        while True:
            time.sleep(1)  # noqa: ASYNC251 - that is the point

    async def serve(worker: Worker) -> int:
        compute(pids, lambda: 1.0)
        operations = Operations("tiny", "1", checks={}, facts=lambda: {"same": "for all"})
        app = web.Application()
        app.add_routes([web.get("/", who), web.post("/held", held), web.get("/stuck", stuck)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        async with worker.reporting(operations):
            await runner.setup()
            assert runner.server is not None
            await worker.listener.open(runner.server, tls=None)
            operations.started = True
            worker.announce(operations)
            await worker.stopping.wait()
            operations.draining = True
            await asyncio.sleep(NOTICE_S)
            worker.listener.close()
            hurrying = asyncio.ensure_future(worker.hurrying.wait())
            while in_flight and not hurrying.done():
                an_end.clear()
                ending = asyncio.ensure_future(an_end.wait())
                await asyncio.wait({ending, hurrying}, return_when=asyncio.FIRST_COMPLETED)
                ending.cancel()
            hurrying.cancel()
            await runner.cleanup()
        return 0

    return lambda worker: asyncio.run(serve(worker))


if __name__ == "__main__":
    WORKERS, PORT, OPS_PORT, DRAIN_S, NOTICE_S = (int(argument) for argument in sys.argv[1:])
    canonical_log.configure("tiny")
    sys.exit(
        supervise(
            Service(
                name="tiny",
                version="1",
                workers=WORKERS,
                host="127.0.0.1",
                port=PORT,
                ops_host="127.0.0.1",
                ops_port=OPS_PORT,
                drain_s=DRAIN_S,
                notice_s=NOTICE_S,
                load=load,
            )
        )
    )
