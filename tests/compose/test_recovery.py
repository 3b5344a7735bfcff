"""The main process of each container is killed; the stack comes back by itself and bills again."""

import pytest

from tests.compose.conversation import assert_answered_and_billed, ledger_rows, stream_with_langchain
from tests.compose.stack import SERVICES, ComposeStack, wait_until

RECOVERY_S = 90


@pytest.mark.parametrize("service", SERVICES)
def test_the_stack_recovers_when_a_process_is_killed(stack: ComposeStack, service: str) -> None:
    before = stream_with_langchain(stack)
    killed_pid = kill_main_process(stack, service)

    def is_back() -> bool:
        state = stack.inspect(service)["State"]
        return bool(state["Running"] and state["Pid"] != killed_pid and state["Health"]["Status"] == "healthy")

    wait_until(is_back, within_s=RECOVERY_S, what=f"{service} is healthy again")
    wait_until(stack.is_ready, within_s=RECOVERY_S, what="edge, router and billing are ready")
    assert_answered_and_billed(stack)
    assert len(ledger_rows(stack, before)) == 1


def kill_main_process(stack: ComposeStack, service: str) -> int:
    """From a container that sees the engine's processes: `docker kill` would count as a wish, and not be mended."""
    pid = int(stack.inspect(service)["State"]["Pid"])
    image = stack.inspect("edge")["Image"]
    stack.run(
        *("docker", "run", "--rm", "--network=none", "--pid=host", "--user=0", "--entrypoint=python"),
        *(image, "-c", f"import os, signal; os.kill({pid}, signal.SIGKILL)"),
    )
    return pid
