"""Exchanges with providers as their documentation or a public recording has them (`exchanges/*.json`), and a server
that speaks so: one provider at a time, and as strict about paths, keys and parameters as it is.

Of a file, `api` says where requests go and with which headers; `accepts`, of a provider that refuses all others, which
parameters. Of an exchange, `sent` is the documented request's body and `asked` what the gateway's client writes where
that differs; `differences` (and `more_headers`) list what of ours is another, and why. `means` is what the client and
the ledger get of it.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from gateway_router.configuration import Provider
from gateway_shared.settings import Secret

Json = dict[str, Any]
KEY = "the-key"


@dataclass(frozen=True)
class Exchange:
    file: str
    kind: str
    base_url: str | None
    api: Json
    said: Json

    @property
    def url(self) -> SplitResult:
        return urlsplit(str(self.said.get("url", self.api["url"])))

    def asked(self) -> Json:
        """What the gateway's client sends; the provider is registered under its kind's name."""
        sent: Json = self.said.get("sent", {})
        body: Json = self.said.get("asked") or sent
        model = self.said.get("model") or body.get("model") or sent["model"]
        return {**body, "model": f"{self.kind}/{model}"}

    def provider(self, server: str, *, key: str = KEY) -> Provider:
        """The kind at `server`, at the path that it has at its own address."""
        given = Provider.of(self.kind, name=self.kind, api_key=Secret("")).base_url if self.base_url is None else None
        parts = urlsplit(self.base_url or given or "")
        has_key = "unauthorized" in self.api
        secret = Secret(key if has_key else "")
        return Provider.of(self.kind, name=self.kind, api_key=secret, base_url=f"{server}{parts.path}")


def load_exchanges() -> list[Exchange]:
    found = []
    for path in sorted((Path(__file__).parent / "exchanges").glob("*.json")):
        file = json.loads(path.read_text())
        found += [Exchange(path.stem, file["kind"], file["base_url"], file["api"], said) for said in file["exchanges"]]
    return found


@dataclass
class DocumentedProvider:
    """Answers as `speaking` has it, or refuses as that provider would; keeps what it was asked."""

    speaking: Exchange
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(request)
        self.bodies.append(body)
        exchange = self.speaking
        refused = self._refusal(request, body)
        if refused is not None:
            return refused
        if "events" in exchange.said:
            return await self._stream(request)
        text = exchange.said.get("preamble", "") + json.dumps(exchange.said["body"])
        headers = {"content-type": "application/json", **exchange.said.get("headers", {})}
        return web.Response(status=exchange.said["status"], text=text, headers=headers)

    def _refusal(self, request: web.Request, body: Json) -> web.Response | None:
        exchange = self.speaking
        if (request.method, request.rel_url.raw_path) != ("POST", exchange.url.path):
            return web.json_response({"error": "no such path"}, status=404)
        if request.query_string != exchange.url.query:
            return web.json_response({"error": "not this version"}, status=404)
        if any(request.headers.get(name) != value for name, value in exchange.api["headers"].items()):
            return web.json_response(exchange.api.get("unauthorized", {}), status=401)
        unknown = [name for name in body if name not in exchange.api.get("accepts", body)]
        if unknown and exchange.said["status"] == 200:
            return web.json_response({"detail": f"unknown: {unknown}"}, status=422)
        return None

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in self.speaking.said["events"]:
            if isinstance(event, str):
                await response.write(f"{event}\n\n".encode())
                continue
            name = f"event: {event['type']}\n" if "type" in event else ""
            await response.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        return response
