"""An address that swallows what is sent to it: no connection comes about, and nobody says so.

It is a listener of this machine whose backlog is full: Linux drops each further SYN (tcp(7), `listen(2)`).
"""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway_router.configuration import Provider, Registration
from gateway_router.egress import EgressGuard
from gateway_router.transports.transport import UpstreamNotReached
from gateway_shared.settings import Secret
from tests.integration.router.attempts_rig import Scripted, ask, at, configured, gateway_headers, resilience
from tests.integration.router.loopback import LOOPBACK
from tests.integration.router.provider_clients import EVERY_CLIENT, ProviderClient
from tests.integration.router.router_rig import open_rig
from tests.servers import Certificates

SHORT_S = 0.3
LONGER_S = 0.8
"""Below the second after which Linux would send the SYN again."""
MUCH_LATER_S = 8.0
SURELY_S = 4.0
"""What a busy machine may take on top, and far less than any other limit of the calls here."""


@pytest.fixture
def swallowing() -> Iterator[str]:
    """The URL of the root of such an address."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(10):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
            if not select.select([], [waiting], [], 0.1)[1]:
                break
        else:
            pytest.fail("the backlog does not fill up")
        yield f"http://127.0.0.1:{address[1]}"


@EVERY_CLIENT
@pytest.mark.parametrize(
    ("of_all_s", "own_s", "expected_s"),
    [(SHORT_S, None, SHORT_S), (MUCH_LATER_S, SHORT_S, SHORT_S), (SHORT_S, LONGER_S, LONGER_S)],
    ids=["the limit of all", "a shorter one of its own", "a longer one of its own"],
)
async def test_a_connection_that_does_not_come_about_is_given_up_at_the_limit(
    client: ProviderClient, swallowing: str, of_all_s: float, own_s: float | None, expected_s: float
) -> None:
    transport = client.transport(EgressGuard(LOOPBACK), connect_timeout_s=of_all_s)
    request = client.request(f"{swallowing}/v1")
    request.connect_timeout_s = own_s
    began_s = time.monotonic()
    with pytest.raises(UpstreamNotReached):
        async with transport.open(request, client.provider):
            pytest.fail("it was reached")
    took_s = time.monotonic() - began_s
    await transport.close()
    assert expected_s * 0.95 <= took_s < expected_s + SURELY_S


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("http_client", "kind"),
    [("http1", "openai"), ("http1", "anthropic"), ("aiohttp", "openai"), ("http1", "xai")],
    ids=["http1", "http1, translated", "aiohttp", "litellm"],
)
async def test_the_next_provider_is_asked_and_the_first_was_sent_nothing(
    http_client: str,
    kind: str,
    stream: bool,
    swallowing: str,
    provider: Scripted,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    way = Provider.of(kind, name="mute", api_key=Secret("sk-mute"), base_url=f"{swallowing}/v1")
    mute = Registration("mute", kind, (way,), models=("none",), aliases={"m": "one"}, connect_timeout_s=SHORT_S)
    both = configured(mute, at(provider.simulator.url, "b", "two", priority=1))
    async with open_rig(certificates, tmp_path, both, resilience=resilience(), http_client=http_client) as router:
        received = await ask(router, stream=stream)
        assert (received.status, gateway_headers(received)[::2]) == (200, ("b", "2"))
        first, second = router.settled()
    assert (first.provider, first.status, first.finish_state, first.usage_source) == (
        "mute",
        "failed",
        "not_sent",
        "none",
    )
    assert SHORT_S * 0.95 <= first.duration_us / 1e6 < 2, "by its own limit, not by the router's 2 s"
    assert (second.provider, second.status) == ("b", "settled")
    assert await provider.asked() == ["two"]
