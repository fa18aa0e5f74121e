"""The cloud: reachable, itself, and it knows us. A gateway works for weeks without it, so being off-line is a warning only."""

from __future__ import annotations

import gzip
import json
import ssl
import stat
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx

from gateway.check.certificates import LOOPBACK
from gateway.check.finding import Finding, Subject, fail, not_applicable, ok, warn
from gateway.check.records import Records
from vuong.contract import batch

TIMEOUT: Final = 10.0
_MANY: Final = 10_000  # samples that wait; 100 nodes at 5 minutes bring as many in 8 hours
_REFUSED: Final = (401, 403)


def _tls_problem(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason or str(error)
        error = error.__cause__ or error.__context__
    return None


def check(subject: Subject) -> Iterator[Finding]:
    """Send an empty batch with the gateway's token, which changes nothing, and look at the answer and at what waits."""
    cloud = subject.config.cloud
    if cloud is None:
        yield not_applicable("cloud.none")
        return
    host = urlsplit(cloud.url).hostname or ""
    if cloud.url.startswith("http://") and host not in LOOPBACK:
        yield fail("cloud.plain", url=cloud.url)
    with Records(subject.config.database) as records:
        waiting = records.waiting()
    try:
        token = cloud.token_file.read_text(encoding="utf-8").strip()
        if stat.S_IMODE(cloud.token_file.stat().st_mode) & stat.S_IRWXO:
            yield fail("cloud.token_open", file=str(cloud.token_file))
    except (OSError, UnicodeDecodeError) as error:
        yield fail("cloud.token_missing", file=str(cloud.token_file), problem=str(error))
        return
    if not token.isascii() or not token.isprintable() or not token:
        yield fail("cloud.token_missing", file=str(cloud.token_file), problem=f"{len(token)} characters that are no token")
        return
    document = {"version": batch.VERSION, "gateway": subject.config.id, "first": 0, "last": 0}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Content-Encoding": "gzip"}
    try:
        answer = httpx.post(
            cloud.url + batch.PATH, headers=headers, content=gzip.compress(json.dumps(document).encode()), timeout=TIMEOUT
        )
    except httpx.HTTPError as error:
        problem = _tls_problem(error)
        if problem is not None:
            yield fail("cloud.foreign", host=host, problem=problem)
        else:
            yield warn("cloud.unreachable", host=host, problem=str(error) or type(error).__name__, waiting=waiting)
        return
    if answer.status_code in _REFUSED:
        yield fail("cloud.token_refused", host=host, file=str(cloud.token_file))
    elif answer.status_code != httpx.codes.OK:
        yield fail("cloud.answer", url=cloud.url, status=answer.status_code)
    elif waiting > _MANY:
        yield warn("cloud.waiting", host=host, waiting=waiting)
    else:
        yield ok("cloud.ok", host=host, milliseconds=round(answer.elapsed.total_seconds() * 1000), waiting=waiting)
