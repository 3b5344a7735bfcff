"""LiteLLM's price map in our price format, for billing, which must not have litellm installed.

The map is read as a file of the package; litellm itself is never imported (3 s, 165 MiB). Its floats
(USD for one token) become integers (nano-USD for a million tokens) through Decimal, so exactly.

Left out, so that such a model is unpriced and somebody notices: a rate of 0, which in the map means
free as often as missing, and every model without a rate for input.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import orjson

_MAP_FILE = "model_prices_and_context_window_backup.json"
_MODES = frozenset({"chat", "responses", "completion", "embedding"})

_KINDS = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cached_input",
    "input_cost_per_token_cache_hit": "cached_input",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "output_cost_per_audio_token": "output_audio",
}
_FIELD = re.compile(
    rf"(?P<base>{'|'.join(sorted(_KINDS, key=len, reverse=True))})"
    r"(?:_above_(?P<thousands>\d+)k_tokens)?(?:_(?P<tier>[a-z]+))?"
)
_TIERS = {None: "standard", "batches": "batch"}
_PROVIDERS = {
    "gemini": "google",
    "meta_llama": "meta",
    "bedrock_converse": "bedrock",
    "text-completion-openai": "openai",
    "text-completion-codestral": "codestral",
    "cohere_chat": "cohere",
}
"""LiteLLM's names of providers where ours differ."""

NANO_USD_PER_MILLION = Decimal(10) ** 15
"""From USD for one token to nano-USD for a million tokens."""

_Rates = dict[str, dict[str, dict[str, int]]]


def export_prices(output: Path) -> None:
    """Write the installed litellm's map to `output`, replacing it whole. Raises FileNotFoundError without litellm."""
    data = _map_path().read_bytes()
    content = price_file(data, litellm_version=version("litellm"))
    partial = output.with_name(output.name + ".partial")
    partial.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    partial.replace(output)


def price_file(data: bytes, *, litellm_version: str) -> dict[str, object]:
    """The map's bytes as the content of one price file; the same bytes always give the same content."""
    entries: dict[str, Mapping[str, object]] = json.loads(data, parse_float=Decimal)
    models: dict[tuple[str, str], dict[str, object]] = {}
    for name, entry in sorted(entries.items(), key=_with_prefix_last):
        if entry.get("mode") not in _MODES:
            continue
        rates = _rates(entry)
        if "input" in rates.get("standard", {}).get("0", {}):
            model = _model(name, entry, rates)
            models[str(model["provider"]), str(model["model"]).casefold()] = model
    return {
        "format": "agent-gateway-prices/1",
        "book": "litellm",
        "precedence": 0,
        "source": f"litellm {litellm_version}, {_MAP_FILE}",
        "source_version": litellm_version,
        "source_sha256": hashlib.sha256(data).hexdigest(),
        "effective_from": None,
        "models": [models[key] for key in sorted(models)],
    }


def _map_path() -> Path:
    spec = find_spec("litellm")  # finds a top-level package without importing it
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package litellm is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / _MAP_FILE


def _with_prefix_last(item: tuple[str, Mapping[str, object]]) -> tuple[bool, str]:
    """`gemini/x` is about the provider gemini for sure, a bare `x` need not be: the later one counts."""
    name, entry = item
    return name.startswith(f"{entry.get('litellm_provider')}/"), name


def _model(name: str, entry: Mapping[str, object], rates: _Rates) -> dict[str, object]:
    litellm_provider = str(entry["litellm_provider"])
    source = entry.get("source")
    return {
        "provider": _PROVIDERS.get(litellm_provider, litellm_provider),
        "model": name.removeprefix(f"{litellm_provider}/"),
        "source": source if isinstance(source, str) and source else "litellm",
        "rates": rates,
    }


def _rates(entry: Mapping[str, object]) -> _Rates:
    rates: _Rates = {}
    for tier, threshold, kind, rate in _cells(entry):
        rates.setdefault(tier, {}).setdefault(threshold, {})[kind] = rate
    return rates


def _cells(entry: Mapping[str, object]) -> Iterator[tuple[str, str, str, int]]:
    # In this order the legacy `_cache_hit` name loses against `cache_read_input_token_cost`.
    for field, usd_per_token in sorted(entry.items(), reverse=True):
        match = _FIELD.fullmatch(field)
        if match is None or not isinstance(usd_per_token, int | Decimal):
            continue
        rate = int((usd_per_token * NANO_USD_PER_MILLION).to_integral_value(ROUND_HALF_UP))
        if rate > 0:
            threshold = str(int(match["thousands"] or 0) * 1000)
            yield _TIERS.get(match["tier"], match["tier"]), threshold, _KINDS[match["base"]], rate
