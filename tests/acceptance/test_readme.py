"""The README's commands, run as they stand there; only the address and the state folder are this stack's."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.acceptance.stack import ROOT, Stack

README = (ROOT / "README.md").read_text()
BLOCKS = dict(re.findall(r"<!-- test: (\w+) -->\n```\w*\n(.*?)```", README, flags=re.DOTALL))
TIMEOUT_S = 60


def test_every_marked_block_is_known_here() -> None:
    assert set(BLOCKS) == {"curl", "langchain", "openai", "psql"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("curl", r'"object":\s*"chat.completion"'),
        ("langchain", r"'input_tokens': [1-9]"),
        ("openai", r"CompletionUsage\(completion_tokens=[1-9]"),
        ("psql", r"gpt-4o|claude-sonnet-4-5|gemini-2.5-flash"),
    ],
)
async def test_what_the_readme_says_works(stack: Stack, tmp_path: Path, name: str, expected: str) -> None:
    """In the README's order: the psql block shows the rows of the ones before."""
    (tmp_path / ".local").symlink_to(stack.home)
    text = BLOCKS[name].replace("http://127.0.0.1:8080", stack.edge_url)
    program = [sys.executable, "-c", text] if text.startswith("import ") else ["bash", "-ec", text]
    process = await asyncio.create_subprocess_exec(
        *program, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == 0, output.decode()
    assert re.search(expected, output.decode()), output.decode()


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"\bmake ([a-z-]+)\b", README))
    makefile = (ROOT / "Makefile").read_text()
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)} == set()
