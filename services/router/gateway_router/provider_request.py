"""What an operator sends to `/v1/providers`, checked before anything is stored. Pure.

No message quotes a value: one of them is a provider's key.
"""

import re
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway_router.base_url import BaseUrlRefused, check_base_url, host_and_port
from gateway_router.json_members import Members, checked_text, checked_texts, json_object, refused
from gateway_router.kinds import KINDS, kind_of
from gateway_router.model_name import MODEL, MODEL_WORDS
from gateway_router.provider_prices import MAX_MODELS as MAX_PRICED_MODELS
from gateway_router.provider_prices import Prices, checked_prices
from gateway_router.stored_provider import ProviderDefinition, StoredProvider
from gateway_shared.errors import PermissionDenied
from gateway_shared.settings import Secret

MAX_KEYS = 16
MAX_MODELS = 1_000
MAX_FALLBACKS = 8
LONGEST_S = 3_600.0
SHORTEST_S = 0.05
RESERVED_NAMES = frozenset({"routing", "simulator"})
"""A path of the API, and what the ledger calls our own simulator."""

SIGN_IN_BY_THEMSELVES = frozenset(
    [
        *("vertex_ai", "vertex_ai_beta", "sagemaker", "sagemaker_chat", "sagemaker_nova", "oci", "sap", "gdc"),
        *("github_copilot", "chatgpt", "aws_polly", "aws_textract", "transcribe"),
    ]
)
"""LiteLLM's clients of these use what the machine may do (a service account, a login, the environment), and no key."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NAME_WORDS = "1 to 64 characters out of a-z, 0-9, '.', '_' and '-', a letter or digit first"
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TENANT_WORDS = "a tenant's name"
_KIND = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_PATTERN = re.compile(r"[A-Za-z0-9._:/@*-]{1,128}")
_PATTERN_WORDS = f"{MODEL_WORDS}, or a pattern of them with '*'"
_KEY = re.compile(r"[\x21-\x7e]{1,4096}")
_KEY_WORDS = "1 to 4096 printable ASCII characters without spaces"
_URL = re.compile(r".{1,2048}", re.DOTALL)

_FIELDS = frozenset(
    [
        *("name", "kind", "base_url", "api_key", "api_keys", "tenant_id", "models", "aliases", "priority", "weight"),
        *("prices", "max_open_calls", "requests_per_minute"),
        *("connect_timeout_s", "first_byte_timeout_s", "silence_timeout_s", "call_timeout_s"),
    ]
)


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """A definition, and its keys in the order they are to be tried; None: those that are stored are kept."""

    definition: ProviderDefinition
    api_keys: tuple[Secret, ...] | None


@dataclass(frozen=True, slots=True)
class ProviderRules:
    """What is taken here: `knows_kind` says whether LiteLLM does, `allowed_hosts` are the operator's `host:port`.

    Those are for the operator's providers only: a tenant's would go around what the operator put before them. So are
    prices for the operator to set: what a tenant is charged may depend on them.
    """

    knows_kind: Callable[[str], bool]
    allowed_hosts: Container[str]
    by_operator: bool = True


def parse_addition(data: bytes, rules: ProviderRules) -> ProviderRequest:
    """The body of a POST. Raises BadRequest that names the field."""
    members = _members(data)
    name = members.text("name", _NAME, _NAME_WORDS)
    if name is None:
        raise refused("name", "is missing")
    if name in RESERVED_NAMES:
        raise refused("name", "is reserved for this gateway's own use")
    request = _request(members, name, rules)
    _check_keys(request.definition.kind, request.api_keys or ())
    return ProviderRequest(request.definition, request.api_keys or ())


def parse_replacement(data: bytes, rules: ProviderRules, *, standing: StoredProvider) -> ProviderRequest:
    """The body of a PUT: all that is not given is as in a new provider, but for the keys. Raises BadRequest."""
    members, was = _members(data), standing.definition
    for field, value in (("name", was.name), ("tenant_id", was.tenant_id)):
        if members[field] not in (None, value):
            raise refused(field, "cannot be changed: delete this provider and add another one")
    request = _request(members, was.name, rules, standing=was)
    keeps_keys = request.api_keys is None and standing.api_keys
    if keeps_keys and destination(request.definition) != destination(was):
        raise refused(
            "api_key",
            "has to be given again where kind or address change: a stored key is only ever sent where it was meant"
            " to go, or whoever takes over an admin key could have it sent to themselves",
        )
    if not keeps_keys:
        _check_keys(request.definition.kind, request.api_keys or ())
    return request


def parse_routing(data: bytes) -> dict[str, tuple[str, ...]]:
    """The body of a PUT of the routing: `fallbacks`. Raises BadRequest."""
    members = Members(json_object(data), known={"fallbacks"})
    found: dict[str, tuple[str, ...]] = {}
    for model, value in members.members("fallbacks", most=MAX_MODELS).items():
        checked_text(model, "fallbacks", MODEL, f"an object whose names are models' names ({MODEL_WORDS})")
        field = f"fallbacks.{model}"
        models = checked_texts(value, field, MODEL, MODEL_WORDS, most=MAX_FALLBACKS)
        if not models or model in models:
            raise refused(field, f"is a list of 1 to {MAX_FALLBACKS} other models")
        found[model] = models
    return found


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """What a provider is to be asked for (None: what its registration names), and with which of its keys."""

    model: str | None = None
    key_number: int = 0


def parse_trial(data: bytes, *, key_count: int) -> TrialRequest:
    """The body of a test; there need be none. Raises BadRequest."""
    if not data:
        return TrialRequest()
    members = Members(json_object(data), known={"model", "key_number"})
    key_number = members.whole("key_number", 0, max(0, key_count - 1), 0) or 0
    return TrialRequest(members.text("model", MODEL, MODEL_WORDS), key_number)


def destination(definition: ProviderDefinition) -> tuple[str, str, str]:
    """Where a key goes: kind, scheme, and host with port."""
    parts = urlsplit(definition.base_url)
    return definition.kind, parts.scheme, host_and_port(parts)


def _members(data: bytes) -> Members:
    return Members(json_object(data), known=_FIELDS)


def _request(
    members: Members, name: str, rules: ProviderRules, *, standing: ProviderDefinition | None = None
) -> ProviderRequest:
    kind, aliases = _kind(members, rules), _aliases(members)
    definition = ProviderDefinition(
        name=name,
        kind=kind,
        base_url=_base_url(members, kind, rules),
        tenant_id=members.text("tenant_id", _TENANT, _TENANT_WORDS, standing.tenant_id if standing else None),
        models=members.texts("models", _PATTERN, _PATTERN_WORDS, most=MAX_MODELS),
        aliases=aliases,
        prices=_prices(members, aliases, rules, standing.prices if standing else {}),
        priority=members.whole("priority", -1_000, 1_000, 0) or 0,
        weight=members.whole("weight", 1, 1_000, 1) or 1,
        max_open_calls=members.whole("max_open_calls", 1, 1_000_000),
        requests_per_minute=members.whole("requests_per_minute", 1, 10_000_000),
        connect_timeout_s=members.seconds("connect_timeout_s", SHORTEST_S, LONGEST_S),
        first_byte_timeout_s=members.seconds("first_byte_timeout_s", SHORTEST_S, LONGEST_S),
        silence_timeout_s=members.seconds("silence_timeout_s", SHORTEST_S, LONGEST_S),
        call_timeout_s=members.seconds("call_timeout_s", SHORTEST_S, LONGEST_S),
    )
    return ProviderRequest(definition, _keys(members))


def _prices(members: Members, aliases: Mapping[str, str], rules: ProviderRules, standing: Prices) -> Prices:
    """A tenant keeps those that an operator gave its provider, and may say them again."""
    given = checked_prices(members.members("prices", most=MAX_PRICED_MODELS), aliases)
    if rules.by_operator:
        return given
    if members["prices"] is not None and given != standing:
        raise PermissionDenied("prices: the operator sets them.", param="prices")
    return standing


def _kind(members: Members, rules: ProviderRules) -> str:
    kind = members.text("kind", _KIND, "a kind of provider, as docs/providers.md lists them")
    if kind is None:
        raise refused("kind", f"is missing: one of {', '.join(KINDS)}, or LiteLLM's name of a provider")
    for spelling in (kind, kind.replace("-", "_")):
        if spelling in SIGN_IN_BY_THEMSELVES:
            raise refused(
                "kind", "cannot be registered here: it signs in with what this machine may do, not with a key"
            )
        if spelling in KINDS or rules.knows_kind(spelling):
            return spelling
    raise refused("kind", f"is none of {', '.join(KINDS)}, nor a provider that LiteLLM knows")


def _base_url(members: Members, kind: str, rules: ProviderRules) -> str:
    """The kind's own where none is given; nothing where LiteLLM knows it."""
    url = members.text("base_url", _URL, "a URL of at most 2048 characters")
    if url is None:
        if kind_of(kind).needs_base_url:
            raise refused("base_url", f"is missing: providers of kind {kind} have no address of their own")
        return kind_of(kind).base_url or ""
    try:
        checked = check_base_url(url, allowed_hosts=rules.allowed_hosts if rules.by_operator else ())
    except BaseUrlRefused as error:
        raise refused("base_url", f"is refused: {error}") from error
    if not rules.by_operator and host_and_port(urlsplit(checked)) in rules.allowed_hosts:
        raise refused("base_url", "is refused: it is one that only the operator's providers may be at")
    return checked


def _keys(members: Members) -> tuple[Secret, ...] | None:
    one = members.text("api_key", _KEY, _KEY_WORDS)
    several = members.texts("api_keys", _KEY, _KEY_WORDS, most=MAX_KEYS)
    if one is not None and members["api_keys"] is not None:
        raise refused("api_keys", "and api_key are not given together")
    if one is None and members["api_keys"] is None:
        return None
    return (Secret(one),) if one is not None else tuple(map(Secret, several))


def _check_keys(kind: str, api_keys: Collection[Secret]) -> None:
    if not api_keys and kind_of(kind).needs_key:
        raise refused("api_key", f"is missing: a provider of kind {kind} answers nobody without one")


def _aliases(members: Members) -> Mapping[str, str]:
    given = members.members("aliases", most=MAX_MODELS)
    for alias, model in given.items():
        checked_text(alias, "aliases", MODEL, f"an object whose names are models' names ({MODEL_WORDS})")
        checked_text(model, f"aliases.{alias}", MODEL, MODEL_WORDS)
    return given
