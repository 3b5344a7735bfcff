"""`python -m gateway_simulator --host 127.0.0.1 --port 19001 [--log-bodies]`; port 0 takes a free one.

SIMULATOR_HOST and SIMULATOR_PORT set the defaults. Prints one JSON line with host and port when it listens.
"""

import argparse
import asyncio
import json
import os
import signal
import sys

from aiohttp import web

from gateway_simulator.app import simulator_app, simulator_runner


def main() -> None:
    parser = argparse.ArgumentParser(prog="gateway_simulator", description="A provider simulator.")
    parser.add_argument("--host", default=os.environ.get("SIMULATOR_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=_port, default=os.environ.get("SIMULATOR_PORT", "19001"))
    parser.add_argument("--log-bodies", action="store_true", help="keep each request's JSON in the request log")
    options = parser.parse_args()
    asyncio.run(_serve(options.host, options.port, keep_bodies=options.log_bodies))


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return number


async def _serve(host: str, port: int, *, keep_bodies: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = simulator_runner(simulator_app(keep_bodies=keep_bodies))
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        listening = {"event": "listening", "host": host, "port": runner.addresses[0][1]}
        sys.stdout.write(json.dumps(listening) + "\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()
