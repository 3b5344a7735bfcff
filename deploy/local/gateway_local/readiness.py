"""Whether services are ready, by their operations ports."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

PROBE_TIMEOUT_S = 3.0


def not_ready(ops_urls: Mapping[str, str]) -> dict[str, str]:
    """Each service whose `/ready` is not 200, with what it says."""
    answers = {name: _problem(f"{url}/ready") for name, url in ops_urls.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _problem(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S):  # noqa: S310 - always our own http address
            return None
    except urllib.error.HTTPError as error:
        return _said(error.read())
    except OSError as error:
        return f"no answer ({error})"


def _said(body: bytes) -> str:
    try:
        report = json.loads(body)
        unwell = {name: state for name, state in report["checks"].items() if state != "ok"}
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]
    return ", ".join([str(report.get("status")), *(f"{name}: {state}" for name, state in unwell.items())])
