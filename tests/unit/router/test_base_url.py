import pytest

from gateway_router.base_url import BaseUrlRefused, check_base_url


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com/v1", "https://api.openai.com:8443/v1/", "https://8.8.8.8/v1", "https://[2606:4700::1]/v1"],
)
def test_public_https_is_taken(url: str) -> None:
    assert check_base_url(url, allowed_hosts=()) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openai.com/v1",
        "ftp://api.openai.com",
        "api.openai.com/v1",
        "https://",
        "https://user:pw@api.openai.com/v1",
        "https://@api.openai.com/v1",
        "https://api.openai.com/v1?key=1",
        "https://api.openai.com/v1#x",
        "https://äpi.openai.com/v1",
        "https://127.0.0.1/v1",
        "https://\uff11\uff12\uff17.0.0.1/v1",
        "https://localhost/v1",
        "https://a.localhost./v1",
        "https://10.1.2.3/v1",
        "https://169.254.169.254/latest",
        "https://100.64.0.1/v1",
        "https://192.0.0.8/v1",
        "https://[::1]/v1",
        "https://[::ffff:127.0.0.1]/v1",
        "https://[64:ff9b::7f00:1]/v1",
        "https://[2002:7f00:1::]/v1",
        "https://[fec0::1]/v1",
        "https://2130706433/v1",
        "https://127.1/v1",
        "https://0x7f000001/v1",
        "https://0177.0.0.1/v1",
        "https://127.0x0.0.1/v1",
        "https://127.0.0.0x1/v1",
        "https://0/v1",
        "https://127.0.0.1./v1",
        "https://127.0.0.%31/v1",
        "https://127.0.0.1%00.api.openai.com/v1",
        "https://localhost%2eapi.openai.com/v1",
        "https://[fe80::1%25eth0]/v1",
        "https://[::ffff:7f00:1]/v1",
        "https://[::127.0.0.1]/v1",
        "https://[::1/v1",
        "https://[v1.127]/v1",
        "https://api..openai.com/v1",
        "https://api.openai.com:0/v1",
        "https://api.openai.com:/v1",
        "https://api.openai.com:-1/v1",
        "https://api.openai.com:443@127.0.0.1/v1",
        "https://api.openai.com:443:80/v1",
        "https://api.openai.com,127.0.0.1/v1",
        "https://api.openai.com/v1?",
        "https://api.openai.com/v1#",
        "https://host:99999/v1",
        "https://api.openai.com\\@127.0.0.1/v1",
        "https://api.openai.com/v1\n",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(BaseUrlRefused):
        check_base_url(url, allowed_hosts=())


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434/v1", "https://127.0.0.1:11434/v1"])
def test_an_operator_allows_an_exact_host_and_port(url: str) -> None:
    assert check_base_url(url, allowed_hosts=("127.0.0.1:11434",)) == url
    with pytest.raises(BaseUrlRefused):
        check_base_url(url.replace("11434", "11435"), allowed_hosts=("127.0.0.1:11434",))


def test_default_ports_are_spelt_out_in_the_allow_list() -> None:
    assert check_base_url("http://ollama.internal/v1", allowed_hosts=("ollama.internal:80",))
    assert check_base_url("http://[::1]:81/v1", allowed_hosts=("[::1]:81",))
