"""One LangChain conversation, and the row that it must leave in the ledger."""

import uuid
from dataclasses import dataclass

from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI

from tests.compose.stack import ComposeStack, wait_until

ROW_TIMEOUT_S = 15
OUTPUT_TOKENS = 20


@dataclass(frozen=True)
class Conversation:
    run_id: str
    answer: AIMessageChunk
    chunks: int


def stream_with_langchain(stack: ComposeStack) -> Conversation:
    """What a user pastes from the README; the directive asks the simulator for that many words."""
    run_id = f"run-{uuid.uuid4()}"
    chat = ChatOpenAI(
        base_url=f"{stack.credentials['edge_url']}/v1/langchain",
        api_key=stack.credentials["langchain_key"],
        model="gpt-4o",
        max_retries=0,
        default_headers={"X-Agent-Run-Id": run_id},
    )
    answer = AIMessageChunk(content="")
    chunks = 0
    for chunk in chat.stream(f"Say hello [[sim words={OUTPUT_TOKENS}]]"):
        answer += chunk
        chunks += 1
    return Conversation(run_id, answer, chunks)


def ledger_rows(stack: ComposeStack, conversation: Conversation) -> list[str]:
    """`status|output_tokens|priced` of each request of the run, once there is one."""
    sql = (
        "SELECT status, output_tokens, cost_nano_usd > 0 FROM billing.usage"
        f" WHERE agent_run_id = '{conversation.run_id}'"
    )
    wait_until(lambda: bool(stack.rows(sql)), within_s=ROW_TIMEOUT_S, what=f"a row for {conversation.run_id}")
    return stack.rows(sql)


def assert_answered_and_billed(stack: ComposeStack) -> None:
    conversation = stream_with_langchain(stack)
    assert conversation.chunks > 5
    assert conversation.answer.usage_metadata is not None
    assert conversation.answer.usage_metadata["output_tokens"] == OUTPUT_TOKENS
    assert ledger_rows(stack, conversation) == [f"settled|{OUTPUT_TOKENS}|t"]
