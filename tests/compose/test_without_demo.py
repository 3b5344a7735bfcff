"""The stack leaves the demo behind. Runs last: what the other tests use is gone then."""

import openai
import pytest

from tests.compose.stack import PROVIDER_KEYS, ComposeStack


def test_without_a_provider_key_a_call_says_which_variables_to_set(stack: ComposeStack) -> None:
    stack.compose("--profile", "demo", "rm", "--stop", "--force", "simulator", "demo-on")
    stack.compose("up", "--detach", "--wait", "--force-recreate", "router")
    client = openai.OpenAI(
        base_url=f"{stack.credentials['edge_url']}/v1", api_key=stack.credentials["standard_key"], max_retries=0
    )
    with client, pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
    assert refused.value.status_code == 503
    assert refused.value.code == "no_provider_configured"
    assert all(name in refused.value.message for name in PROVIDER_KEYS)
