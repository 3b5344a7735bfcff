"""The simulator's HTTP application: the providers' routes and the control API.

Run it with `simulator_runner` (or `python -m gateway_simulator`): only a server with `handler_cancellation` notices
at once that a client has left.
"""

from aiohttp import web

from gateway_simulator import control
from gateway_simulator.anthropic.dialect import anthropic_dialect
from gateway_simulator.exchange import Exchanges
from gateway_simulator.google.dialect import google_dialect
from gateway_simulator.openai.dialect import openai_dialect
from gateway_simulator.request_log import RequestLog
from gateway_simulator.state import STATE, State

_MAX_BODY_BYTES = 64 * 1024 * 1024
_SHUTDOWN_S = 0.1
"""Open streams are cut when the simulator stops: it is meant to stop promptly."""


def simulator_app(*, keep_bodies: bool = False) -> web.Application:
    """`keep_bodies` puts each request's JSON into the log, for tests that look at what was sent upstream."""
    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    state = app[STATE] = State(RequestLog(keep_bodies=keep_bodies))
    openai = Exchanges(openai_dialect("openai"), state)
    meta = Exchanges(openai_dialect("meta"), state)
    anthropic = Exchanges(anthropic_dialect(), state)
    google = Exchanges(google_dialect(), state)
    app.add_routes(
        [
            web.post("/openai/v1/chat/completions", openai.converse),
            web.get("/openai/v1/models", openai.models),
            web.post("/meta/v1/chat/completions", meta.converse),
            web.get("/meta/v1/models", meta.models),
            web.post("/anthropic/v1/messages", anthropic.converse),
            web.post("/google/v1beta/models/{model}:generateContent", google.converse),
            web.post("/google/v1beta/models/{model}:streamGenerateContent", google.converse_streamed),
            web.get("/health", control.health),
            web.get("/simulator/requests", control.list_requests),
            web.delete("/simulator/requests", control.clear_requests),
            web.get("/simulator/stats", control.stats),
            web.post("/simulator/release", control.release_held),
            web.get("/simulator/script", control.show_script),
            web.put("/simulator/script", control.replace_script),
            web.delete("/simulator/script", control.clear_script),
        ]
    )
    app.on_shutdown.append(_stop_exchanges)
    return app


def simulator_runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_S)


async def _stop_exchanges(app: web.Application) -> None:
    app[STATE].log.stopping = True
