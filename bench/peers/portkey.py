"""Portkey (node): its open gateway, the provider named in headers, as its documentation does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gateway_local.command import Command, inherited_environment

from bench.peers.install import from_npm
from bench.rig import Rig, Target, free_port, served

REQUIREMENT = "@portkey-ai/gateway@1.15.2"

_PRELOAD = """\
// On node 20 the headers of what fetch() returned cannot be changed, and the gateway changes those of a stream: each
// of its streams is a 500. A stream's answer is therefore handed on with headers that can.
const fetched = globalThis.fetch;
globalThis.fetch = async (...call) => {
  const answer = await fetched(...call);
  const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream');
  return isStream ? new Response(answer.body, { status: answer.status, headers: answer.headers }) : answer;
};
"""


@contextmanager
def portkey(rig: Rig) -> Iterator[Target]:
    folder = rig.folder / "portkey"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preload.cjs").write_text(_PRELOAD)
    modules = from_npm("portkey", REQUIREMENT)
    port = free_port()
    program = modules / "node_modules/@portkey-ai/gateway/build/start-server.js"
    arguments = ("node", "--require", str(folder / "preload.cjs"), str(program), f"--port={port}", "--headless")
    environment = {**inherited_environment(os.environ), "NODE_ENV": "production"}
    with served("Portkey", Command(arguments, environment, modules), port=port, log=folder / "log") as process:
        headers = {
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{rig.provider_port}/v1",
            "authorization": "Bearer sk-bench",
        }
        yield Target("Portkey", port, {"gateway": process.pid}, headers=headers)
