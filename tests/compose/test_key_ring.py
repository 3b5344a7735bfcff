"""The key of the providers' key ring, changed as docs/operations.md says, while the stack runs."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compose.stack import ROOT, ComposeStack, wait_until

DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
FETCH, WRITE = re.findall(r"^docker compose .*provider_key_ring.*$", DOCUMENT, flags=re.MULTILINE)
NEW_LINE = re.findall(r'`(echo "k2 [^`]*)`', DOCUMENT)[0]
FOLLOWED_WITHIN_S = 15
"""As the document says."""


def call(stack: ComposeStack, method: str, path: str, key: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{stack.credentials['edge_url']}{path}",
        data=json.dumps(body).encode() if body else None,
        headers={"Authorization": f"Bearer {stack.credentials[key]}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


PROVIDER = {"kind": "openai-compatible", "base_url": "http://simulator:19001/openai/v1"}


@pytest.fixture
def provider(stack: ComposeStack) -> Iterator[str]:
    """A stored provider whose key is sealed with k1."""
    call(stack, "POST", "/v1/providers", "admin_key", {**PROVIDER, "name": "kept", "api_key": "sk-kept-0123456789"})
    yield "kept"
    call(stack, "DELETE", "/v1/providers/kept", "admin_key")


def test_the_rings_key_is_changed_without_a_restart(stack: ComposeStack, provider: str, tmp_path: Path) -> None:
    def shell(command: str) -> str:
        return stack.run("sh", "-ec", re.sub(r"\bring$", str(tmp_path / "ring"), command))

    shell(FETCH)
    old = (tmp_path / "ring").read_text()
    new = shell(NEW_LINE)
    (tmp_path / "ring").write_text(new + old)
    shell(WRITE)
    assert stack.compose("exec", "-T", "router", "gateway", "rewrap") == (
        "1 secrets wrapped anew; all are under k2 now\n"
    )
    (tmp_path / "ring").write_text(new)
    shell(WRITE)
    wait_until(lambda: not unusable(stack), within_s=3 * FOLLOWED_WITHIN_S, what="the stored key opening with k2")
    # keeps its key, which is opened to be sealed to the new version
    call(stack, "PUT", f"/v1/providers/{provider}", "admin_key", {**PROVIDER, "weight": 2})
    asked = {"model": f"{provider}/gpt-4o", "messages": [{"role": "user", "content": "Say hello"}]}
    assert call(stack, "POST", "/v1/chat/completions", "standard_key", asked)["object"] == "chat.completion"
    stack.compose("restart", "router")
    wait_until(stack.is_ready, within_s=120, what="the router being ready again")
    assert unusable(stack) == {}


def unusable(stack: ComposeStack) -> dict[str, str]:
    with urllib.request.urlopen(f"{stack.credentials['ops_urls']['router']}/health", timeout=10) as response:
        found: dict[str, str] = json.load(response)["configuration"]["unusable"]
    return found
