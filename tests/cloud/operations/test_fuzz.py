"""The API fuzzed from its own description: no request makes an error of the server's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cloud.batches import TOKENS, alarm, batch, sample

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("asker", ["gateway", "person"])
def test_no_request_makes_an_error_of_the_servers(
    asker: str,
    client: httpx.Client,
    post: Callable[..., Any],
    sign_in: Callable[[str], httpx.Client],
    tmp_path: Path,
) -> None:
    post(batch([sample(n, node="00000000000000b1", do=5.0) for n in range(1, 20)], gateway="gw-b"))
    post(batch([sample(n, do=5.0) for n in range(1, 20)], alarms=[alarm()]))
    header = f"Authorization: Bearer {TOKENS['gw-a']}"
    if asker == "person":
        header = f"Cookie: vuong_session={sign_in('nam').cookies['vuong_session']}"
    # One worker: two threads in ast.parse can end CPython 3.11 with "recursion depth mismatch", inside schemathesis.
    # Examples, the edges of every schema, then chance until the time is spent; an event stream never ends, so it is left out.
    options = "--checks not_a_server_error --max-examples 6 --max-time 12 --workers 1 --seed 7 --exclude-path-regex events$"
    options += " --suppress-health-check all --request-timeout 20 --no-color"
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{client.base_url}/api/v1/openapi.json"]
    command += [*options.split(), "--header", header]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    assert client.get("/readyz").status_code == 200
