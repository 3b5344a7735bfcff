"""nginx, which only forwards: the limit. One plain hop, and two hops with mutual TLS between them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_local import apt
from gateway_local.command import Command, inherited_environment
from gateway_local.failure import SetupFailed

from bench.rig import Absent, Rig, Target, free_port, served

_PROGRAM = "/usr/sbin/nginx"

_CONFIGURATION = """\
{user}worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_buffer_size 2m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
    upstream next {{ server 127.0.0.1:{next_port}; keepalive 1024; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port}{listen};
{server}
        location / {{ proxy_pass {scheme}://next; }}
    }}
}}
"""


@contextmanager
def nginx_one_hop(rig: Rig) -> Iterator[Target]:
    with _nginx(rig, "nginx-plain", next_port=rig.provider_port) as (port, pid):
        yield Target("nginx, one hop", port, {"nginx": pid})


@contextmanager
def nginx_two_hops(rig: Rig) -> Iterator[Target]:
    files = rig.certificates
    inner = f"""\
        ssl_certificate {files}/router.pem;
        ssl_certificate_key {files}/router.key;
        ssl_client_certificate {files}/ca.pem;
        ssl_verify_client on;"""
    outer = f"""\
        proxy_ssl_certificate {files}/edge.pem;
        proxy_ssl_certificate_key {files}/edge.key;
        proxy_ssl_trusted_certificate {files}/ca.pem;
        proxy_ssl_verify on;
        proxy_ssl_name router;"""
    with (
        _nginx(rig, "nginx-inner", next_port=rig.provider_port, listen=" ssl", server=inner) as (inner_port, inner_pid),
        _nginx(rig, "nginx-outer", next_port=inner_port, server=outer, scheme="https") as (port, outer_pid),
    ):
        yield Target("nginx, two hops with mTLS", port, {"outer": outer_pid, "inner": inner_pid})


@contextmanager
def tls_before(rig: Rig) -> Iterator[int]:
    """The port, on localhost, of an nginx that speaks TLS for the fake provider."""
    files = rig.certificates
    server = f"        ssl_certificate {files}/router.pem;\n        ssl_certificate_key {files}/router.key;"
    with _nginx(rig, "nginx-provider", next_port=rig.provider_port, listen=" ssl", server=server) as (port, _):
        yield port


@contextmanager
def _nginx(
    rig: Rig, name: str, *, next_port: int, listen: str = "", server: str = "", scheme: str = "http"
) -> Iterator[tuple[int, int]]:
    """Its port and the pid of its master."""
    folder = rig.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    user = "user root;\n" if os.geteuid() == 0 else ""
    values = {"user": user, "folder": folder, "port": port, "next_port": next_port}
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(**values, listen=listen, server=server, scheme=scheme))
    arguments = (_program(), "-c", str(configuration), "-e", "stderr", "-p", str(folder))
    command = Command(arguments, inherited_environment(os.environ), folder)
    with served(name, command, port=port, log=folder / "log") as process:
        yield port, process.pid


def _program() -> str:
    program = shutil.which("nginx") or _PROGRAM
    if not Path(program).exists():
        try:
            apt.install("nginx-light", needed_for="nginx", service="nginx")
        except SetupFailed as error:
            raise Absent(str(error)) from error
    return program
