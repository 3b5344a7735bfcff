"""Two tenants on one gateway: each reads its own usage through the API, and a user of one is forgotten for good."""

import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai

from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack

ROW_TIMEOUT_S = 20.0
MODEL = "gpt-4o"


def as_owner(stack: Stack, package: str, *arguments: str) -> str:
    """A command of a service, with the certificate of the database's owner."""
    certificates = stack.home / "certificates"
    port = urlsplit(stack.run["postgres_owner_dsn"]).port
    environ = {
        **stack.environ,
        "TLS_CA_FILE": str(certificates / "ca.pem"),
        "TLS_CERT_FILE": str(certificates / "operator.pem"),
        "TLS_KEY_FILE": str(certificates / "operator.key"),
        "POSTGRES_DSN": f"postgresql://operator@localhost:{port}/gateway",
        "KEY_PEPPER_FILE": str(stack.home / "secrets" / "key_pepper"),
    }
    done = subprocess.run(
        [sys.executable, "-m", package, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def call(stack: Stack, key: str, run_id: str, **body: Any) -> int:
    """All tokens that the client was told of."""
    async with openai.AsyncOpenAI(base_url=f"{stack.edge_url}/v1", api_key=key) as client:
        answer = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Say something [[sim words=20]]"}],
            extra_headers={"X-Agent-Run-Id": run_id},
            **body,
        )
    assert answer.usage is not None
    return int(answer.usage.total_tokens)


async def usage(stack: Stack, key: str, run_id: str, *, requests: int, **query: str) -> list[dict[str, Any]]:
    """The results for one run, as soon as they are of so many requests."""
    today = int(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    parameters = {"start_time": str(today - 86_400), "agent_run_ids": run_id, **query}
    deadline = time.monotonic() + ROW_TIMEOUT_S
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as client:
        while True:
            answer = await client.get(f"{stack.edge_url}/v1/usage", params=parameters)
            assert answer.status_code == 200, answer.text
            results = [result for bucket in answer.json()["data"] for result in bucket["results"]]
            if sum(result["num_model_requests"] for result in results) >= requests or time.monotonic() > deadline:
                return results


async def test_each_tenant_reads_its_own_usage(stack: Stack) -> None:
    run, run_id = stack.run, uuid.uuid4().hex
    other = as_owner(stack, "gateway_edge", "keys", "create", "--tenant", "other", "--user", "o", "--kind", "gw")
    other_key = other.splitlines()[-1]
    standard = [await call(stack, run["standard_key"], run_id) for _ in range(2)]
    langchain = await call(stack, run["langchain_key"], run_id)
    of_other = await call(stack, other_key, run_id)

    by_channel = await usage(stack, run["admin_key"], run_id, requests=3, group_by="channel")
    told = {
        one["channel"]: (one["num_model_requests"], one["input_tokens"] + one["output_tokens"]) for one in by_channel
    }
    assert told == {"standard": (2, sum(standard)), "langchain": (1, langchain)}
    assert all(int(one["charge_nano_usd"]) > 0 and one["num_uncharged_attempts"] == 0 for one in by_channel)

    (own,) = await usage(stack, other_key, run_id, requests=1)
    assert (own["num_model_requests"], own["input_tokens"] + own["output_tokens"]) == (1, of_other)


async def test_a_user_who_is_erased_stays_erased_and_the_amounts_stay(stack: Stack, ledger: Ledger) -> None:
    tenant, run_id = f"erasing-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    made = as_owner(stack, "gateway_edge", "keys", "create", "--tenant", tenant, "--user", "o", "--kind", "gw")
    key = made.splitlines()[-1]
    as_owner(stack, "gateway_edge", "tenants", "end-user-ids", "--tenant", tenant, "plain")
    await call(stack, key, run_id, user="bob@example.com")
    rows = "SELECT end_user, end_user_name, cost_nano_usd FROM billing.usage WHERE agent_run_id = $1"
    (before,) = await ledger.wait_for_rows(rows, run_id, at_least=1, within_s=ROW_TIMEOUT_S)
    assert before["end_user_name"] == "bob@example.com"
    pseudonym = as_owner(
        stack, "gateway_edge", "tenants", "pseudonym", "--tenant", tenant, "--end-user", "bob@example.com"
    )
    assert before["end_user"] == pseudonym.strip()

    as_owner(stack, "gateway_billing", "erase", "--tenant", tenant, "--end-user", "bob@example.com")
    await call(stack, key, run_id, user="bob@example.com")
    after = await ledger.wait_for_rows(rows, run_id, at_least=2, within_s=ROW_TIMEOUT_S)
    assert [(row["end_user"], row["end_user_name"]) for row in after] == [(before["end_user"], None)] * 2
    assert before["cost_nano_usd"] in [row["cost_nano_usd"] for row in after]
