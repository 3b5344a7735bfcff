"""A provider closes a kept connection just as it is used again: the call is made anew, on a new one."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.router.attempts_rig import at, configured, error_of, resilience
from tests.integration.router.http1_server import listening
from tests.integration.router.router_rig import Json, open_rig
from tests.servers import Certificates

BODY = b'{"id":"c","object":"chat.completion","model":"one","choices":[{"index":0,"finish_reason":"stop",'
BODY += b'"message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
ASKED: Json = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


class Closing:
    """Answers the first request of each connection; at the second it writes `parting` and closes."""

    def __init__(self, parting: bytes) -> None:
        self.requests = 0
        self._parting = parting

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (ANSWER, self._parting):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            self.requests += 1
            writer.write(answer)
        writer.close()


@pytest.mark.parametrize("http_client", ["http1", "aiohttp"])
async def test_it_is_an_attempt_of_its_own_and_no_failure_of_the_provider(
    http_client: str, certificates: Certificates, tmp_path: Path
) -> None:
    server, shared = Closing(b""), resilience(max_attempts=2)
    async with listening(server.serve) as port:
        configuration = configured(at(f"http://127.0.0.1:{port}", "a", "one"))
        async with open_rig(
            certificates, tmp_path, configuration, resilience=shared, http_client=http_client
        ) as router:
            received = [await router.call(ASKED) for _ in range(3)]
            assert [(one.status, one.headers["x-gateway-attempts"]) for one in received] == [
                (200, "1"),
                (200, "2"),
                (200, "2"),
            ]
            assert server.requests == 5
            ends = [(event.attempt, event.is_final, event.finish_state) for event in router.settled()]
            assert ends[1:3] == [(1, False, "upstream_cut"), (2, True, "complete")]
            assert shared.health.is_sound


@pytest.mark.parametrize("http_client", ["http1", "aiohttp"])
async def test_a_provider_that_has_begun_to_answer_counts_as_broken(
    http_client: str, certificates: Certificates, tmp_path: Path
) -> None:
    server = Closing(ANSWER[:-10])
    async with listening(server.serve) as port:
        configuration = configured(at(f"http://127.0.0.1:{port}", "a", "one"))
        shared = resilience(max_attempts=1)
        async with open_rig(
            certificates, tmp_path, configuration, resilience=shared, http_client=http_client
        ) as router:
            assert (await router.call(ASKED)).status == 200
            broken = await router.call(ASKED)
            assert (broken.status, error_of(broken)["code"]) == (502, "upstream_error")
            assert not shared.health.is_sound
