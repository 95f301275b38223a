"""TLS by a real nginx and a real Caddy, with the configurations that docs/security.md shows."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import free_port

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs" / "security.md"
PROGRAMS = "/usr/sbin:/usr/local/bin:/usr/bin:/bin"
HOST = "posology.example.org"
JSON = {"Content-Type": "application/json"}
KEY = {"Authorization": "Bearer a token for tests"}
BODY = b'{"user":{},"context":{}}'


def shown(language: str) -> str:
    """The configuration in the documentation."""
    found = re.search(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def certificate(folder: Path) -> Path:
    """A certificate for the loopback that signs itself, and its key beside it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return folder / "certificate.pem"


def nginx_command(folder: Path, port: int, upstream: int) -> list[str]:
    """Writes the documented server block into a whole configuration; gives how to run it."""
    server = (
        shown("nginx")
        .replace("listen 443 ssl http2", f"listen 127.0.0.1:{port} ssl http2")
        .replace("127.0.0.1:3000", f"127.0.0.1:{upstream}")
        .replace("/etc/ssl/posology/", f"{folder}/")
        .replace("/var/log/nginx/", f"{folder}/")
        .replace("client_header_timeout 10s", "client_header_timeout 1s")
        .replace("client_body_timeout 10s", "client_body_timeout 1s")
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""  # its worker writes into the test's folder
    (folder / "nginx.conf").write_text(
        f"daemon off;\n{user}worker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n{temporary}{server}\n}}\n"
    )
    return ["nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]


def caddy_command(folder: Path, port: int, upstream: int) -> list[str]:
    """The documented site with the test's certificate; gives how to run it."""
    site = (
        shown("caddy")
        .replace("{\n    servers {", "{\n    admin off\n    auto_https disable_redirects\n    servers {", 1)
        .replace(f"{HOST} {{", f"https://127.0.0.1:{port} {{\n    tls {folder}/certificate.pem {folder}/key.pem", 1)
        .replace("127.0.0.1:3000", f"127.0.0.1:{upstream}")
        .replace("read_header 10s", "read_header 1s")
    )
    (folder / "Caddyfile").write_text(site)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


COMMANDS: dict[str, Callable[[Path, int, int], list[str]]] = {"nginx": nginx_command, "caddy": caddy_command}


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs."""

    name: str
    folder: Path
    port: int
    trusted: ssl.SSLContext

    def client(self, **headers: str) -> httpx.Client:
        base = f"https://127.0.0.1:{self.port}"
        return httpx.Client(base_url=base, verify=self.trusted, headers={**KEY, **headers}, timeout=20, trust_env=False)

    def raw(self, sent: bytes, *, then: bytes = b"", after: float = 0.0) -> tuple[int, float]:
        """Status of the answer to bytes as they are, 0 for none, and the seconds until the connection ended."""
        started, came = time.monotonic(), b""
        with (
            socket.create_connection(("127.0.0.1", self.port)) as plain,
            self.trusted.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.settimeout(4)
            try:
                connection.sendall(sent)
                time.sleep(after)
                connection.sendall(then)
                while chunk := connection.recv(65536):
                    came += chunk
                    if b"\r\n\r\n" in came:
                        break
            except OSError:
                pass
        return (int(came[9:12]) if came else 0), time.monotonic() - started

    def logged(self) -> str:
        return "".join(file.read_text(errors="replace") for file in self.folder.glob("*.log"))


@pytest.fixture(params=sorted(COMMANDS))
def proxy(request: pytest.FixtureRequest, port_of: Callable[..., int], tmp_path: Path) -> Iterator[Proxy]:
    name = request.param
    if shutil.which(name, path=PROGRAMS) is None:
        pytest.skip(f"{name} is not installed (apt-get install {'nginx-light' if name == 'nginx' else name})")
    trusted = ssl.create_default_context(cafile=str(certificate(tmp_path)))
    port = free_port()
    command = COMMANDS[name](tmp_path, port, port_of(body_seconds=2.0, max_in_flight=2))
    env = {"PATH": PROGRAMS, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    with (tmp_path / "output.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=tmp_path)
    try:
        wait_until_it_listens(process, port, tmp_path)
        yield Proxy(name, tmp_path, port, trusted)
    finally:
        process.terminate()
        process.wait(10)


def wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    give_up_at = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("\n".join(file.read_text() for file in folder.glob("*.log")))


def call(*headers: str, body: bytes = BODY, path: str = "/v1/rank", length: int | None = None) -> bytes:
    """A call byte by byte; counted unless a header says that it comes in chunks."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers]
    lines += [f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_the_service_behind_a_proxy_is_the_service(proxy: Proxy) -> None:
    with proxy.client() as client:
        answer = client.post("/v1/rank", content=BODY, headers=JSON)
        assert (answer.status_code, answer.json()["content_id"]) == (200, "rest")
        assert client.get("/livez").status_code in {200, 404}  # BentoML's own, which the app alone has not
        assert client.post("/v1/rank", content=iter([BODY[:5], BODY[5:]]), headers=JSON).status_code == 200
        wrong = client.post("/v1/rank", content=BODY, headers={**JSON, "Authorization": "Bearer wrong"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "unauthorized")
        assert wrong.headers["WWW-Authenticate"] == "Bearer"
    with httpx.Client(trust_env=False) as stranger, pytest.raises(httpx.ConnectError, match="certificate"):
        stranger.get(f"https://127.0.0.1:{proxy.port}/livez")
    try:
        in_the_clear = httpx.get(f"http://127.0.0.1:{proxy.port}/v1/release", headers=KEY, trust_env=False).status_code
    except httpx.HTTPError:
        in_the_clear = 0
    assert in_the_clear in {0, 400}


def test_a_proxy_passes_limits_on_and_has_its_own(proxy: Proxy) -> None:
    largest = BODY + b" " * (1_000_000 - len(BODY))
    with proxy.client(**JSON) as client:
        assert client.post("/v1/rank", content=largest).status_code == 200
        own = client.post("/v1/rank", content=largest + b" ")
        assert own.status_code in {400, 413, 502}
        if own.status_code == 400:
            assert own.json()["error"]["code"] == "bad_request"
    status, _ = proxy.raw(call(f"Authorization: {KEY['Authorization']}", body=b" " * 1_100_000))
    assert status in {0, 400, 413, 502}
    status, _ = proxy.raw(call(f"Authorization: {KEY['Authorization']}", "X-Large: " + "a" * 70_000))
    assert status in {0, 400, 431}


def test_what_two_servers_could_read_in_two_ways_is_refused(proxy: Proxy) -> None:
    key = f"Authorization: {KEY['Authorization']}"
    inner = "0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    assert proxy.raw(call(key))[0] == 200
    for sent in (
        call(key, "Content-Length: 5"),
        call(key, "Transfer-Encoding: xchunked"),
        call(key, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        call(key, "Transfer-Encoding: chunked", body=inner.encode()),
    ):
        assert proxy.raw(sent)[0] in {0, 400, 501}
    for sent in (call(key, key), call("Authorization: Bearer x", key), call(key.replace(":", " :"))):
        assert proxy.raw(sent)[0] in {400, 401}


def test_metrics_stay_inside_however_the_path_is_written(proxy: Proxy) -> None:
    for path in (
        "/metrics",
        "//metrics",
        "/v1/../metrics",
        "/%6detrics",
        "/v1/%2e%2e/metrics",
        "/metrics?x=1",
        "/./metrics",
    ):
        status, _ = proxy.raw(call(f"Authorization: {KEY['Authorization']}", path=path))
        assert status in {400, 403, 404}, path  # 404: the service took it for no call


def test_callers_who_are_slow_or_leave_hold_nothing(proxy: Proxy) -> None:
    key = f"Authorization: {KEY['Authorization']}"
    status, seconds = proxy.raw(b"POST /v1/rank HTTP/1.1\r\nHost: x\r\n")
    assert status in {0, 400, 408}
    assert seconds < 8
    assert proxy.raw(call(key, length=len(BODY) + 10))[0] in {0, 400, 408}  # Caddy lets such a caller wait for itself
    for _ in range(4):  # more than may be answered at once
        with (
            socket.create_connection(("127.0.0.1", proxy.port)) as plain,
            proxy.trusted.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(call(key, length=len(BODY) + 10))
    with proxy.client(**JSON) as client:
        give_up_at = time.monotonic() + 10
        while (answer := client.post("/v1/rank", content=BODY)).status_code != 200 and time.monotonic() < give_up_at:
            time.sleep(0.1)
    assert answer.status_code == 200


def test_a_proxy_logs_nothing_of_a_call_but_its_path(proxy: Proxy) -> None:
    secret: Any = "Zq7Xsecret"
    with proxy.client(**JSON, Cookie=secret) as client:
        client.post(f"/v1/rank?name={secret}", content=BODY.replace(b'"user"', f'"{secret}"'.encode()))
        client.post("/v1/rank", content=BODY, headers={"Authorization": f"Bearer {secret}", "Referer": secret})
    assert secret not in proxy.logged()
