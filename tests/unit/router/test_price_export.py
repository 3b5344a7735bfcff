"""LiteLLM's map in our price format, as billing reads it; litellm is not imported for it."""

import subprocess
import sys
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway_router.price_export import export_prices, price_file


def rates_of(entry: dict[str, Any], name: str = "m") -> Any:
    data = orjson.dumps({name: {"litellm_provider": "openai", "mode": "chat"} | entry})
    models: Any = price_file(data, litellm_version="1")["models"]
    return models[0]["rates"] if models else None


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("prices") / "litellm.json"
    export_prices(output)
    content: dict[str, Any] = orjson.loads(output.read_bytes())
    return content


def model_of(exported: dict[str, Any], provider: str, model: str) -> Any:
    found = [one for one in exported["models"] if (one["provider"], one["model"]) == (provider, model)]
    assert len(found) == 1
    return found[0]["rates"]


def test_litellm_is_not_imported_for_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gateway_router.price_export import export_prices;"
        "export_prices(Path(sys.argv[1])); print([name for name in sys.modules if name.startswith('litellm')])"
    )
    output = tmp_path / "prices.json"
    done = subprocess.run(
        [sys.executable, "-c", program, str(output)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
    assert output.stat().st_size > 100_000


def test_it_names_litellms_version_and_digest(exported: dict[str, Any]) -> None:
    assert exported["source_version"] == version("litellm")
    assert len(exported["source_sha256"]) == 64


def test_the_same_map_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        export_prices(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_known_models_have_the_rates_that_their_providers_publish(exported: dict[str, Any]) -> None:
    # USD per million tokens x 10^9
    assert model_of(exported, "openai", "gpt-4o")["standard"]["0"] == {
        "input": 2_500_000_000,
        "cached_input": 1_250_000_000,
        "output": 10_000_000_000,
    }
    assert model_of(exported, "anthropic", "claude-sonnet-4-5")["standard"]["0"] == {
        "input": 3_000_000_000,
        "cached_input": 300_000_000,
        "cache_write_5m": 3_750_000_000,
        "cache_write_1h": 6_000_000_000,
        "output": 15_000_000_000,
    }
    assert model_of(exported, "google", "gemini-2.5-pro")["standard"]["200000"]["output"] == 15_000_000_000
    assert model_of(exported, "openai", "gpt-5")["flex"]["0"]["cached_input"] == 62_500_000


def test_rates_are_exact_integers_of_the_maps_floats(exported: dict[str, Any]) -> None:
    rates = [
        rate
        for model in exported["models"]
        for thresholds in model["rates"].values()
        for by_kind in thresholds.values()
        for rate in by_kind.values()
    ]
    assert len(rates) > 5000
    assert all(type(rate) is int and rate > 0 for rate in rates)
    assert rates_of({"input_cost_per_token": 1.25e-07}) == {"standard": {"0": {"input": int(Decimal("1.25e8"))}}}


def test_fields_combine_threshold_lifetime_and_tier() -> None:
    assert rates_of(
        {
            "input_cost_per_token": 1e-06,
            "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 2e-06,
            "output_cost_per_token_above_272k_tokens_priority": 3e-06,
            "output_cost_per_token_batches": 4e-06,
            "cache_read_input_token_cost": 5e-06,
            "input_cost_per_token_cache_hit": 9e-06,
            "input_cost_per_image": 7.0,
            "output_vector_size": 3072,
        }
    ) == {
        "standard": {
            "0": {"input": 10**9, "cached_input": 5 * 10**9},
            "200000": {"cache_write_1h": 2 * 10**9},
        },
        "priority": {"272000": {"output": 3 * 10**9}},
        "batch": {"0": {"output": 4 * 10**9}},
    }


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"input_cost_per_token": 0, "output_cost_per_token": 0.0},
        {"output_cost_per_token": 1e-06},
        {"input_cost_per_token": 1e-06, "mode": "image_generation"},
    ],
)
def test_a_model_without_a_real_price_is_left_out_rather_than_free(entry: dict[str, Any]) -> None:
    assert rates_of(entry) is None


def test_providers_have_our_names_and_models_no_prefix() -> None:
    entry = {"mode": "chat", "input_cost_per_token": 1e-06}
    data = orjson.dumps(
        {
            "gemini/gemini-x": entry | {"litellm_provider": "gemini"},
            "gemini-x": entry | {"litellm_provider": "gemini", "input_cost_per_token": 9e-06},
            "together_ai/meta-llama/L": entry | {"litellm_provider": "together_ai"},
        }
    )
    models: Any = price_file(data, litellm_version="1")["models"]
    assert [(one["provider"], one["model"]) for one in models] == [
        ("google", "gemini-x"),
        ("together_ai", "meta-llama/L"),
    ]
    assert models[0]["rates"] == {"standard": {"0": {"input": 10**9}}}, "the prefixed name is surely Gemini's"
