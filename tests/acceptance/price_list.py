"""What an answer costs, worked out from the price files alone: a second opinion on the ledger's amounts."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import orjson

Tokens = Mapping[str, int]
_PARTS_OF_INPUT = {
    "cached_input": "cached_input_tokens",
    "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "input_audio": "input_audio_tokens",
}
_PARTS_OF_OUTPUT = {"reasoning": "reasoning_tokens", "output_audio": "output_audio_tokens"}
TOKEN_COLUMNS = (
    "input_tokens",
    "output_tokens",
    *_PARTS_OF_INPUT.values(),
    *_PARTS_OF_OUTPUT.values(),
)


class PriceList:
    """Rates of the standard tier for requests of ordinary length, in nano-USD per million tokens."""

    def __init__(self, *files: Path) -> None:
        books = sorted((orjson.loads(file.read_bytes()) for file in files), key=lambda book: int(book["precedence"]))
        self._rates: dict[tuple[str, str], Mapping[str, int]] = {}
        for book in books:  # the higher precedence comes last and stays
            for entry in book["models"]:
                for name in (entry["model"], *entry.get("aliases", [])):
                    self._rates[entry["provider"], name.casefold()] = entry["rates"]["standard"]["0"]

    def cost_nano_usd(self, provider: str, model: str, tokens: Tokens) -> int:
        """Rounded half up, once. Raises KeyError where no price is stated."""
        rates = self._rates[provider, model.casefold()]
        text_input = tokens["input_tokens"] - sum(tokens[name] for name in _PARTS_OF_INPUT.values())
        text_output = tokens["output_tokens"] - sum(tokens[name] for name in _PARTS_OF_OUTPUT.values())
        amount = Fraction(text_input * rates["input"] + text_output * rates["output"])
        for kind, name in {**_PARTS_OF_INPUT, **_PARTS_OF_OUTPUT}.items():
            if tokens[name]:
                amount += tokens[name] * (rates["output"] if kind == "reasoning" and kind not in rates else rates[kind])
        return int(amount / 1_000_000 + Fraction(1, 2))
