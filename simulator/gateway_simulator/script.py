"""Default directives for requests to come: what a test cannot, or would rather not, write into the prompt."""

from dataclasses import dataclass, field
from typing import Any

from gateway_simulator.directives import DirectiveInvalid, merge_directives, parse_directive


@dataclass(slots=True)
class Rule:
    directive: str
    settings: dict[str, Any]
    provider: str | None
    model: str | None
    requests: int | None
    """How many more requests it applies to; None: all."""

    def to_json(self) -> dict[str, Any]:
        return {"directive": self.directive, "provider": self.provider, "model": self.model, "requests": self.requests}


@dataclass(slots=True)
class Script:
    rules: list[Rule] = field(default_factory=list)

    def replace(self, document: Any) -> None:
        """`{"directive": "status=503", "provider": null, "model": null, "requests": 2}`, or `{"rules": [...]}`.

        Raises DirectiveInvalid, and then leaves the old rules.
        """
        listed = document.get("rules", [document]) if isinstance(document, dict) else document
        if not isinstance(listed, list):
            raise DirectiveInvalid("rules: expected an array")
        self.rules = [_rule(item) for item in listed]

    def clear(self) -> None:
        self.rules = []

    def take(self, provider: str, model: str) -> dict[str, Any]:
        """The settings of the first rule that applies; it then applies once less."""
        for rule in self.rules:
            if rule.provider in (None, provider) and rule.model in (None, model) and rule.requests != 0:
                if rule.requests is not None:
                    rule.requests -= 1
                return rule.settings
        return {}


def _rule(item: Any) -> Rule:
    if not isinstance(item, dict) or not isinstance(item.get("directive"), str):
        raise DirectiveInvalid("a rule needs a directive")
    unknown = item.keys() - {"directive", "provider", "model", "requests"}
    if unknown:
        raise DirectiveInvalid(f"{', '.join(sorted(unknown))}: unknown in a rule")
    requests = item.get("requests")
    if requests is not None and not (type(requests) is int and requests > 0):
        raise DirectiveInvalid("requests: expected a whole number from 1, or null")
    settings = parse_directive(item["directive"])
    merge_directives(settings)
    return Rule(item["directive"], settings, item.get("provider"), item.get("model"), requests)
