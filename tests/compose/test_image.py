"""The image by itself, without compose."""

import subprocess

from tests.compose.stack import BUILD_TIMEOUT_S, ROOT, ComposeStack


def test_the_default_image_is_the_edge_and_says_what_it_lacks(stack: ComposeStack) -> None:
    image = stack.run(
        "docker", "build", "--quiet", "--tag=gateway-service:test", ".", timeout_s=BUILD_TIMEOUT_S
    ).strip()
    done = subprocess.run(
        ["docker", "run", "--rm", image],
        cwd=ROOT,
        env=stack.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    for setting in ("TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE", "POSTGRES_DSN", "KEY_PEPPER"):
        assert f"{setting} is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_litellm_is_in_the_routers_image_only(stack: ComposeStack) -> None:
    find = "from importlib.util import find_spec; print(find_spec('litellm') is not None)"
    found = {service: stack.python(service, find).strip() for service in ("edge", "router", "billing", "simulator")}
    assert found == {"edge": "False", "router": "True", "billing": "False", "simulator": "False"}
