"""``vuong fleet cloud``: sign this laptop in to the co-op's cloud, so that it is told of nodes."""

from __future__ import annotations

import argparse

from provisioning import secrets
from provisioning.cloud import sign_in, tell_cloud
from provisioning.registry import Registry
from provisioning.session import Session


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Get a token for the password, which is not kept, and tell the cloud of what waits."""
    password = secrets.ask(session, "ask.cloud_password", file=arguments.password_file, variable="VUONG_CLOUD_PASSWORD")
    cloud = sign_in(session.workspace, arguments.url, arguments.login, password, arguments.code)
    session.say("cloud.signed_in", url=cloud.url, login=arguments.login, cooperative=cloud.cooperative or "-")
    told = tell_cloud(session, Registry(session.workspace))
    session.result({"ok": True, "url": cloud.url, "cooperative": cloud.cooperative, "cloud": told})
