"""What is known of the providers' state: breakers by registration and model, cool-downs by key. Pure.

Only what is in trouble is held, and no more than MAX_KEPT of it: names of models come from clients.
"""

from dataclasses import dataclass

from gateway_router import cool_down
from gateway_router.breaker import Breaker, BreakerPolicy, State
from gateway_router.configuration import Registration
from gateway_router.cool_down import CoolDowns, Subject
from gateway_router.retry_policy import FAILURES, Trouble
from gateway_router.routing import Route, Target

MAX_KEPT = 1_000
SOUND = 0
"""The permit of a call whose target has no breaker."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """`wait_s`: until a call may go through."""

    upstream_model: str
    state: State
    wait_s: float


@dataclass(frozen=True, slots=True)
class RestingKey:
    """A key that is asked last, for that model or (None) for all; for `wait_s` more."""

    key_number: int
    upstream_model: str | None
    wait_s: float


@dataclass(frozen=True, slots=True)
class RegistrationHealth:
    """What is known against a registration: of models that are not among these all is well."""

    models: tuple[ModelState, ...]
    resting_keys: tuple[RestingKey, ...]


class ProviderHealth:
    """Times are monotonic seconds. What `begin` lets through ends in `succeed`, `fail` or `give_up`."""

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self._policy = policy or BreakerPolicy()
        self._breakers: dict[Target, Breaker] = {}
        self._cool_downs = CoolDowns()

    @property
    def is_sound(self) -> bool:
        """Nothing is known against anybody."""
        return not (self._breakers or self._cool_downs)

    def wait_s(self, route: Route, *, now_s: float) -> float:
        """Seconds until the route may be asked; 0 when it may be now."""
        breaker = self._breakers.get(route.target)
        return 0.0 if breaker is None else breaker.wait_s(now_s)

    def is_resting(self, route: Route, *, now_s: float) -> bool:
        key, rests = _key(route), self._cool_downs.is_resting
        return rests(key, now_s=now_s) or rests(key._replace(upstream_model=route.upstream_model), now_s=now_s)

    def begin(self, route: Route, *, now_s: float) -> int | None:
        """A permit for one call, to be given back with its end; None when its breaker is open."""
        if not self._breakers:
            return SOUND
        breaker = self._breakers.get(route.target)
        return SOUND if breaker is None else breaker.begin(now_s)

    def succeed(self, route: Route, permit: int, *, now_s: float) -> None:
        breaker = self._breakers.get(route.target) if self._breakers else None
        if breaker is not None:
            breaker.succeed(permit, now_s=now_s)
            if breaker.is_spent(now_s):
                del self._breakers[route.target]

    def give_up(self, route: Route, permit: int, *, now_s: float) -> None:
        """The call's end says nothing about the provider."""
        breaker = self._breakers.get(route.target) if self._breakers else None
        if breaker is not None:
            breaker.give_up(permit, now_s=now_s)

    def fail(
        self, route: Route, permit: int, trouble: Trouble, *, now_s: float, retry_after_s: float | None = None
    ) -> bool:
        """What went wrong; whether that opened the breaker."""
        if trouble == "rate_limit":
            seconds = cool_down.DEFAULT_S if retry_after_s is None else retry_after_s
            subject = _key(route)._replace(upstream_model=route.upstream_model)
            self._cool_downs.rest(subject, seconds, now_s=now_s)
        elif trouble == "credential":
            self._cool_downs.rest(_key(route), cool_down.KEY_REFUSED_S, now_s=now_s)
        if trouble not in FAILURES:
            self.give_up(route, permit, now_s=now_s)
            return False
        breaker = self._breakers.get(route.target) or self._new_breaker(route.target, now_s)
        generation = breaker.generation
        breaker.fail(permit, now_s=now_s)
        return breaker.generation != generation

    def of(self, registration: Registration, *, now_s: float) -> "RegistrationHealth":
        identity = (registration.tenant_id, registration.name, registration.version)
        return RegistrationHealth(
            tuple(
                ModelState(target.upstream_model, breaker.state(now_s), breaker.wait_s(now_s))
                for target, breaker in self._breakers.items()
                if target[:3] == identity
            ),
            tuple(
                RestingKey(subject.key_number, subject.upstream_model, wait_s)
                for subject, wait_s in self._cool_downs.resting(now_s=now_s)
                if subject[:3] == identity
            ),
        )

    def open_models(self, provider: str, *, now_s: float) -> int:
        """How many models of registrations of that name are refused now, or being tried again."""
        self.tidy(now_s=now_s)
        breakers = self._breakers.items()
        return sum(target.registration == provider and breaker.state(now_s) != "closed" for target, breaker in breakers)

    def tidy(self, *, now_s: float) -> None:
        """Forgets what is over."""
        self._cool_downs.forget_past(now_s)
        for target in [target for target, breaker in self._breakers.items() if breaker.is_spent(now_s)]:
            del self._breakers[target]

    def _new_breaker(self, target: Target, now_s: float) -> Breaker:
        if len(self._breakers) >= MAX_KEPT:
            self.tidy(now_s=now_s)
        while len(self._breakers) >= MAX_KEPT:
            del self._breakers[next(iter(self._breakers))]
        breaker = self._breakers[target] = Breaker(self._policy, now_s=now_s)
        return breaker


def _key(route: Route) -> Subject:
    return Subject(*route.target[:3], route.provider.key_number)
