"""One router as an edge knows it: a few connections that are kept alive, and whether it is asked at all."""

import asyncio
import random
import ssl
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable
from http import HTTPStatus

from gateway_shared import canonical_log
from gateway_shared.hop import ROUTER, HopRefused
from gateway_shared.hop_ejection import Ejection
from gateway_shared.hop_link import Link
from gateway_shared.tls import PeerIdentity, PeerRefused, peer_identity

CONNECT_TIMEOUT_S = 5.0
RENEW_AFTER_S = 12 * 60.0
"""Expiry is looked at in the handshake, so connections are renewed; under the 15 minutes of SECURITY."""
BACKOFF_S = (0.05, 2.0)
REFUSED_BACKOFF_S = 5.0
"""For a router that was reached and will not have us, or is none: another try at once mends nothing."""
SETTLED_S = 5.0
"""A connection that ends sooner counts as a failed one."""
_REFUSALS = (PeerRefused, HopRefused, ssl.SSLCertVerificationError)


class Router:
    """`calls`: how many of ours it has now; `slots`: its connections; `ejections` are by operation.

    One that `is_only` is never ejected.
    """

    def __init__(
        self, url: str, tls: ssl.SSLContext, changed: asyncio.Event, connections: int, *, is_only: bool = False
    ) -> None:
        self.calls = 0
        self._is_only = is_only
        self.ejections = defaultdict[str, Ejection](Ejection)
        self._name = urllib.parse.urlsplit(url).netloc
        reach = _Reach(self._name)
        self.slots = [_Slot(url, tls, changed, reach, self._doubt) for _ in range(connections)]

    @property
    def is_ejected(self) -> bool:
        return any(ejection.is_in_force for ejection in self.ejections.values())

    def begin(self, operation: str) -> bool:
        """A call to it; whether that one tries it again after an ejection."""
        self.calls += 1
        ejection = self.ejections[operation]
        return ejection.is_in_force and ejection.begin(now_s=time.monotonic())

    def heard(self, operation: str, status: int, is_own_error: bool, *, is_trial: bool) -> None:
        """The head of an answer has come."""
        ejection = self.ejections[operation]
        if not is_own_error:
            ejection.answered(is_trial=is_trial)
            if is_trial:
                canonical_log.info("router asked again", router=self._name)
            return
        if self._is_only:
            return
        chance = random.random()  # noqa: S311 - jitter, not a secret
        is_refusal = status == HTTPStatus.SERVICE_UNAVAILABLE
        if ejection.failed(is_refusal=is_refusal, is_trial=is_trial, now_s=time.monotonic(), chance=chance):
            canonical_log.warning("router ejected", router=self._name, status=status)

    def _doubt(self) -> None:
        """Of a process that is killed, one connection ends before the others: none of them is asked without a sign."""
        for slot in self.slots:
            if slot.link is not None:
                slot.link.doubt()


class _Reach:
    """Tells the log what stands between us and one router: each problem once, until it is reached again."""

    def __init__(self, router: str) -> None:
        self._router = router
        self._told: set[str] = set()

    def failed(self, error: BaseException) -> None:
        error_class = type(error).__name__
        if error_class not in self._told:
            self._told.add(error_class)
            canonical_log.warning("router not reached", router=self._router, error_class=error_class)

    def succeeded(self) -> None:
        if self._told:
            self._told.clear()
            canonical_log.info("router reached again", router=self._router)


class _Slot:
    """Keeps one connection to one router alive: connects, renews, reconnects."""

    def __init__(
        self, url: str, tls: ssl.SSLContext, changed: asyncio.Event, reach: _Reach, on_loss: Callable[[], None]
    ) -> None:
        address = urllib.parse.urlsplit(url)
        if address.scheme != "https" or not address.hostname or not address.port:
            raise ValueError(f"{url!r} is not https://host:port")
        self.link: Link | None = None
        self._host, self._port = address.hostname, address.port
        self._tls = tls
        self._changed = changed
        self._reach = reach
        self._on_loss = on_loss
        self._ended = asyncio.Event()
        self._open: set[Link] = set()
        self._expiry: asyncio.TimerHandle | None = None

    async def keep(self) -> None:
        try:
            backoff_s = BACKOFF_S[0]
            while True:
                since_s = time.monotonic()
                longest_s = backoff_s
                try:
                    await self._connect()
                except (OSError, TimeoutError, PeerRefused) as error:
                    self._reach.failed(error)
                    if isinstance(error, _REFUSALS):
                        longest_s = REFUSED_BACKOFF_S
                else:
                    self._reach.succeeded()
                    await self._until_renewal()
                    if time.monotonic() - since_s > SETTLED_S:
                        backoff_s = BACKOFF_S[0]
                        continue
                await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311 - jitter, not a secret
                backoff_s = min(backoff_s * 2, BACKOFF_S[1])
        finally:
            if self._expiry is not None:
                self._expiry.cancel()
            for link in self._open:
                link.transport.abort()

    async def _connect(self) -> None:
        """Only a router that has let us in takes the old connection's place.

        Raises OSError, TimeoutError or PeerRefused.
        """
        link = Link(on_change=self._on_change)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(lambda: link, self._host, self._port, ssl=self._tls)
                self._open.add(link)
                expires_at_s = _router_at(link).expires_at_s
                await link.greeted()
        except (OSError, TimeoutError, PeerRefused):
            if link in self._open:
                link.transport.abort()
            raise
        old, self.link = self.link, link
        self._expire_at(expires_at_s)
        if old is not None:
            old.drain()
        self._changed.set()

    def _expire_at(self, expires_at_s: float) -> None:
        """From then on (Unix time) the router's certificate is none: what runs goes on, nothing new is sent there."""
        if self._expiry is not None:
            self._expiry.cancel()
        good_for_s = max(0.0, expires_at_s - time.time())
        self._expiry = asyncio.get_running_loop().call_later(good_for_s, self._expire)

    def _expire(self) -> None:
        assert self.link is not None
        self.link.drain()
        self._ended.set()

    async def _until_renewal(self) -> None:
        """Returns when the link takes no more calls, or is old; an old one goes on until its successor is there."""
        assert self.link is not None
        renew_at_s = time.monotonic() + RENEW_AFTER_S * random.uniform(0.8, 1.0)  # noqa: S311
        while not self.link.is_ending:
            self._ended.clear()
            try:
                async with asyncio.timeout(renew_at_s - time.monotonic()):
                    await self._ended.wait()
            except TimeoutError:
                return

    def _on_change(self, link: Link) -> None:
        if link.closed.is_set():
            self._open.discard(link)
            if link.is_lost:
                self._on_loss()
        if link is self.link and link.is_ending:
            self._ended.set()
        self._changed.set()


def _router_at(link: Link) -> PeerIdentity:
    """Raises PeerRefused: another part of ours, with a certificate of the same authority, is not a router."""
    peer = peer_identity(link.transport.get_extra_info("peercert"))
    if peer.name != ROUTER:
        raise PeerRefused(f"{peer.name} answers where a router should")
    return peer
