"""A provider's keys leave no trace: not in what the API answers, the database, the logs, the journal or the queue."""

import asyncio
import base64
import secrets
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.acceptance.ledger import Ledger
from tests.acceptance.stack import Stack

CHUNK_BYTES = 1024 * 1024


async def test_no_key_is_left_in_database_logs_journal_or_queue(
    stack: Stack, admin: aiohttp.ClientSession, ledger: Ledger
) -> None:
    url, marker = f"{stack.edge_url}/v1/providers", uuid.uuid4().hex
    keys = [f"sk-canary-{secrets.token_hex(16)}" for _ in range(3)]
    body: dict[str, Any] = {"kind": "openai-compatible", "base_url": f"{stack.simulator_url}/openai/v1"}
    told: list[str] = []
    request_ids: list[str] = []

    async def send(method: str, path: str = "", **sent: Any) -> None:
        async with admin.request(method, f"{url}{path}", **sent) as answer:
            told.append(await answer.text())

    await send("POST", json={**body, "name": "canary", "api_key": keys[0]})
    await send("PUT", "/canary", json={**body, "api_keys": keys})
    await send("PUT", "/canary", json={**body, "api_key": keys[1], "colour": keys[2]})
    await send("POST", json={**body, "name": "canary", "api_keys": [keys[0], {"key": keys[1]}]})
    await send("POST", data=f'{{"api_key": "{keys[2]}"', headers={"Content-Type": "application/json"})
    await send("POST", "/canary/test", json={"model": "gpt-4o"})
    await send("GET")
    headers = {"Authorization": f"Bearer {stack.run['standard_key']}", "X-Agent-Run-Id": marker}
    for text in ("hello", "[[sim status=401]]", "[[sim status=500]]"):
        message = {"model": "canary/gpt-4o", "messages": [{"role": "user", "content": text}]}
        async with admin.post(f"{stack.edge_url}/v1/chat/completions", json=message, headers=headers) as answer:
            told.append(await answer.text())
            request_ids.append(answer.headers["x-request-id"])
    await ledger.wait_for_rows(
        "SELECT 1 FROM billing.attempts WHERE agent_run_id = $1", marker, at_least=3, within_s=10
    )
    await send("DELETE", "/canary")
    secrets_sent = [spelt for key in keys for spelt in spellings(key)]
    assert [text for text in told if any(spelt in text for spelt in secrets_sent)] == []
    assert await tables_with(stack, secrets_sent) == []
    database = database_folder(stack)
    known = {database: body["base_url"], stack.home / "logs": request_ids[0]}
    known |= {stack.home / name: marker for name in ("journal", "rabbitmq")}
    for folder, written in known.items():
        assert await asyncio.to_thread(files_with, folder, [written]), f"what is written to {folder} is found there"
    for folder in (stack.home, database):
        assert await asyncio.to_thread(files_with, folder, secrets_sent) == []


def test_a_key_is_found_in_whatever_spelling_and_place(tmp_path: Path) -> None:
    """What the test above rests on: within longer text, in base64 at each of the places of a group of three bytes."""
    key = f"sk-canary-{secrets.token_hex(16)}"
    texts = [f"{'x' * before}{key}yz".encode() for before in range(3)]
    written = [*texts, *(text.hex().encode() for text in texts), *(text.hex().upper().encode() for text in texts)]
    written += [encode(text) for text in texts for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    for number, content in enumerate(written):
        (tmp_path / str(number)).write_bytes(b"-" * (CHUNK_BYTES - 20) + content)
    assert len(files_with(tmp_path, spellings(key))) == len(written)
    assert files_with(tmp_path, spellings(f"{key[:-1]}-")) == []


def spellings(key: str) -> list[str]:
    """As it stands, in hexadecimal (as PostgreSQL shows a bytea), and as a part of something in base64."""
    plain = key.encode()
    found = [key, plain.hex(), plain.hex().upper()]
    for before in range(3):
        # each character stands for six bits: only those that are of the key alone
        bits_before, bits = 8 * before, 8 * (before + len(plain))
        certain = slice(-(-bits_before // 6), bits // 6)
        encoded = (encode(bytes(before) + plain) for encode in (base64.b64encode, base64.urlsafe_b64encode))
        found += [text.decode()[certain] for text in encoded]
    return list(dict.fromkeys(found))


async def tables_with(stack: Stack, wanted: list[str]) -> list[str]:
    """Tables in which a row has one of them, in any column."""
    connection = await asyncpg.connect(stack.run["postgres_owner_dsn"], timeout=10)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname IN ('edge', 'router', 'billing')"
        )
        assert len(tables) > 10
        found = []
        for table in tables:
            query = f"SELECT count(*) FROM {table['name']} AS t WHERE t::text LIKE ANY ($1)"
            if await connection.fetchval(query, [f"%{text}%" for text in wanted]):
                found.append(table["name"])
        return found
    finally:
        await connection.close()


def database_folder(stack: Stack) -> Path:
    """With the write-ahead log; it need not be below the stack's own."""
    arguments = Path(f"/proc/{stack.run['pids']['postgres']}/cmdline").read_text().split("\0")
    return Path(arguments[arguments.index("-D") + 1])


def files_with(folder: Path, texts: list[str]) -> list[Path]:
    """Files below it that hold any of these texts."""
    wanted = [text.encode() for text in texts]
    overlap = max(map(len, wanted))
    found = []
    for path in folder.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        with path.open("rb") as file:
            before = b""
            while chunk := file.read(CHUNK_BYTES):
                both = before + chunk
                if any(text in both for text in wanted):
                    found.append(path)
                    break
                before = chunk[-overlap:]
    return found
