"""A phone with a code app: what RFC 6238 says, written down apart from the library that the cloud uses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass

import httpx
from sqlalchemy import Engine

from cloud.accounts import factors, people
from cloud.accounts.secrets import Seal

SEAL = Seal(b"k" * 32)  # of the key that the tests' clouds run with


@dataclass
class Phone:
    """A secret (base32), and the recovery codes on the paper beside it."""

    secret: str
    paper: list[str]

    def code(self, now: float) -> str:
        """Return the six digits that the app shows (RFC 6238, HMAC-SHA-1, 30 s)."""
        key = base64.b32decode(self.secret.replace(" ", ""))
        mac = hmac.new(key, struct.pack(">Q", int(now) // 30), hashlib.sha1).digest()
        start = mac[-1] & 15
        return f"{(struct.unpack('>I', mac[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


def enrol(engine: Engine, login: str, now: float) -> Phone:
    """Give somebody a second factor and return their phone."""
    user = people.find(engine, login).id
    phone = Phone(factors.begin(engine, user, SEAL, now), [])
    phone.paper = factors.confirm(engine, user, phone.code(now), SEAL, now) or []
    assert phone.paper
    return phone


def form_token(page: httpx.Response) -> str:
    """Return the token of a page's form."""
    return page.text.split('name="token" value="')[1].split('"')[0]


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Load a page and send its form."""
    return browser.post(path, data={"token": form_token(browser.get(path))} | fields)


def shown_secret(page: httpx.Response) -> str:
    """Return the secret that a page shows to be typed in."""
    return page.text.split('class="secret">')[1].split("<")[0].replace(" ", "")
