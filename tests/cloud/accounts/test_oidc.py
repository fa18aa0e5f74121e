"""Signing in through a real OpenID provider, which these tests run: the way there and back, and everything that must be refused."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from sqlalchemy import Engine

from cloud.accounts import people
from cloud.accounts.oidc import OidcError, Provider
from cloud.context import Context
from tests.cloud.accounts.phone import enrol, send
from tests.cloud.conftest import served

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent / "provider"
REDIRECT = "http://vuong.example/sign-in/oidc/return"
Run = Callable[[], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def run_provider() -> Iterator[Run]:
    """Give a function that runs the provider, always at one address, with new keys each time."""
    if shutil.which("npm") is None:
        pytest.skip("LEFT OUT: npm is not installed here (Debian: npm), so no OpenID provider can run")
    with tempfile.TemporaryDirectory(prefix="vuong-oidc-") as folder, socket.socket() as probe:
        for name in ("package.json", "provider.mjs"):
            shutil.copy(HERE / name, folder)
        install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--prefer-offline"]
        subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=240)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()

        @contextmanager
        def run() -> Iterator[str]:
            process = subprocess.Popen(
                ["node", "provider.mjs", str(port), REDIRECT], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert process.stdout is not None
            try:
                assert b"listening" in process.stdout.readline()
                yield f"http://127.0.0.1:{port}"
            finally:
                process.kill()
                process.wait()
                process.stdout.close()

        yield run


def approve(url: str, login: str) -> dict[str, str]:
    """Walk through the provider's own pages as a browser would; return what it sends back to us."""
    with httpx.Client(timeout=20) as browser:
        reply = browser.get(url)
        for _ in range(12):
            if reply.is_redirect:
                url = urljoin(str(reply.url), reply.headers["Location"])
                if url.startswith(REDIRECT):
                    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
                reply = browser.get(url)
                continue
            action = re.search(r'action="([^"]+)"', reply.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', reply.text)
            assert action, reply.text[:2000]
            assert prompt
            reply = browser.post(
                urljoin(str(reply.url), action[1]), data={"prompt": prompt[1], "login": login, "password": "any"}
            )
    raise AssertionError("the provider never sent the browser back")


@pytest.fixture
def cloud_with(engine: Engine) -> Callable[[str], AbstractContextManager[httpx.Client]]:
    """Give a browser at a cloud whose people may come through a provider."""

    @contextmanager
    def serve(issuer: str) -> Iterator[httpx.Client]:
        provider = Provider(issuer, "vuong", "secret-of-vuong", REDIRECT)
        with served(Context(engine, b"k" * 32, oidc=provider)) as address, httpx.Client(base_url=address, timeout=20) as client:
            yield client

    return serve


def back(client: httpx.Client, login: str, next: str = "/alarms") -> httpx.Response:  # noqa: A002
    url = client.get("/sign-in/oidc", params={"next": next}).headers["Location"]
    return client.get("/sign-in/oidc/return", params=approve(url, login))


def test_who_is_linked_comes_in_and_nobody_else(
    engine: Engine, run_provider: Run, cloud_with: Callable[[str], AbstractContextManager[httpx.Client]]
) -> None:
    with run_provider() as issuer, cloud_with(issuer) as client:
        assert "/sign-in/oidc?next=" in client.get("/sign-in").text
        reply = back(client, "stranger")
        assert reply.status_code == 403
        assert 'role="alert"' in reply.text
        people.link(engine, "sau", issuer, "co-sau", now=time.time(), actor="test")
        with pytest.raises(people.PersonError, match="linked already"):
            people.link(engine, "nam", issuer, "co-sau", now=time.time(), actor="test")
        reply = back(client, "co-sau")
        assert (reply.status_code, reply.headers["Location"]) == (303, "/alarms")
        assert client.get("/api/v1/me").json()["name"] == "Cô Sáu"
        client.cookies.clear()
        assert back(client, "co-sau", "//evil.example").headers["Location"] == "/ponds"
        client.cookies.clear()
        phone = enrol(engine, "sau", time.time())
        assert back(client, "co-sau").headers["Location"] == "/sign-in/step", "the provider is no way around the second factor"
        assert client.get("/api/v1/me").status_code == 401
        assert send(client, "/sign-in/step", code=phone.paper[0]).headers["Location"] == "/alarms"
        client.cookies.clear()
        people.disable(engine, "sau", now=time.time(), actor="test")
        assert back(client, "co-sau").status_code == 403


def test_a_flow_is_used_once_by_the_browser_that_began_it(
    engine: Engine, run_provider: Run, cloud_with: Callable[[str], AbstractContextManager[httpx.Client]]
) -> None:
    with run_provider() as issuer, cloud_with(issuer) as client:
        people.link(engine, "sau", issuer, "co-sau", now=time.time(), actor="test")
        url = client.get("/sign-in/oidc").headers["Location"]
        query = parse_qs(urlsplit(url).query)
        assert query["code_challenge_method"] == ["S256"]
        assert query["nonce"]
        sent = approve(url, "co-sau")
        assert client.get("/sign-in/oidc/return", params=sent | {"state": "another"}).status_code == 403
        held = dict(client.cookies)
        client.cookies.clear()
        assert client.get("/sign-in/oidc/return", params=sent).status_code == 403  # somebody else's browser
        client.cookies.update(held)
        assert client.get("/sign-in/oidc/return", params=sent).status_code == 403  # and it is used up
        assert client.get("/sign-in/oidc/return").status_code == 403
        assert "vuong_session" not in client.cookies


def test_wrong_verifier_nonce_audience_time_and_signature_are_refused(run_provider: Run) -> None:
    with run_provider() as issuer:
        ours = Provider(issuer, "vuong", "secret-of-vuong", REDIRECT)
        flow = ours.begin()
        code = approve(flow.url, "co-sau")["code"]
        with pytest.raises(OidcError, match="refused the code"):
            ours.exchange(code, "another-verifier-of-more-than-forty-three-letters")
        flow = ours.begin()
        token, now = ours.exchange(approve(flow.url, "co-sau")["code"], flow.verifier), time.time()
        assert ours.subject(token, flow.nonce, now) == "co-sau"
        for nonce, when in (("another", now), (flow.nonce, now + 7200), (flow.nonce, now - 7200)):
            with pytest.raises(OidcError):
                ours.subject(token, nonce, when)
        head, body, signature = token.split(".")
        forged = "A" if signature[10] != "A" else "B"
        for wrong in (f"{head}.{body}.{signature[:10]}{forged}{signature[11:]}", f"{head}.{body}.", "x"):
            with pytest.raises(OidcError):
                ours.subject(wrong, flow.nonce, now)
        others = Provider(issuer, "other", "secret-of-other", REDIRECT)
        flow = others.begin()
        theirs = others.exchange(approve(flow.url, "co-sau")["code"], flow.verifier)
        assert others.subject(theirs, flow.nonce, now) == "co-sau"
        with pytest.raises(OidcError, match="aud"):
            ours.subject(theirs, flow.nonce, now)
        with pytest.raises(OidcError, match="refused the code"):
            Provider(issuer, "vuong", "wrong", REDIRECT).exchange("code", flow.verifier)


def test_new_keys_are_fetched_and_old_tokens_end_with_the_old_keys(run_provider: Run) -> None:
    with run_provider() as issuer:
        provider = Provider(issuer, "vuong", "secret-of-vuong", REDIRECT)
        flow = provider.begin()
        old = provider.exchange(approve(flow.url, "co-sau")["code"], flow.verifier)
        assert provider.subject(old, flow.nonce, time.time()) == "co-sau"
    with run_provider():
        again = provider.begin()
        new = provider.exchange(approve(again.url, "co-sau")["code"], again.verifier)
        assert provider.subject(new, again.nonce, time.time()) == "co-sau"
        with pytest.raises(OidcError):
            provider.subject(old, flow.nonce, time.time())
    with pytest.raises(OidcError):
        provider.exchange("code", flow.verifier)  # the provider is down


def test_a_provider_that_is_somebody_else_is_refused(run_provider: Run) -> None:
    with run_provider() as issuer, pytest.raises(OidcError, match="says it is"):
        Provider(issuer + "/", "vuong", None, REDIRECT).begin()
    assert Provider.from_environment({}) is None
    with pytest.raises(ValueError, match="VUONG_OIDC_CLIENT"):
        Provider.from_environment({"VUONG_OIDC_ISSUER": "x"})
