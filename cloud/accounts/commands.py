"""``vuong cloud user``, ``token`` and ``audit``. Passwords and tokens never stand on the command line: they are typed, piped or written to a file."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, select

from cloud.accounts import audit, factors, people, personal, tokens
from cloud.accounts.roles import Role
from cloud.accounts.secrets import Seal, SealError, secret_keys
from cloud.accounts.tables import AuditEntry
from cloud.database import sqlite_path
from cloud.tenancy import Scope, ScopedSession
from vuong.clock import SystemClock
from vuong.command import CommandError
from vuong.i18n import DEFAULT, LANGUAGES

Open = Callable[[argparse.Namespace], Engine]
_ACTOR: Final = "command line"
_RAW: Final = argparse.RawDescriptionHelpFormatter


def register(own: argparse._SubParsersAction[argparse.ArgumentParser], shared: argparse.ArgumentParser, open_store: Open) -> None:
    """Add the commands; `open_store` returns the store that a call names."""

    def group(name: str, text: str, examples: str) -> argparse._SubParsersAction[argparse.ArgumentParser]:
        parser = own.add_parser(name, help=text, epilog="examples:\n" + examples, formatter_class=_RAW)
        return parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(
        to: argparse._SubParsersAction[argparse.ArgumentParser],
        name: str,
        text: str,
        run: Callable[[Engine, argparse.Namespace, float], int],
    ) -> argparse.ArgumentParser:
        parser = to.add_parser(name, parents=[shared], help=text)
        parser.set_defaults(run=lambda arguments: _run(open_store, run, arguments))
        return parser

    users = group(
        "user",
        "people: who they are and whether they may come in",
        "  vuong cloud user add sau --name 'Cô Sáu' --role farmer --cooperative vinh-chau\n"
        "  vuong cloud user password sau < new-password\n  vuong cloud user export sau > sau.json",
    )
    adding = action(
        users,
        "add",
        "create somebody; the password, which lets them in once, is asked for, or the first line of standard input",
        _add,
    )
    adding.add_argument("login", help="what they sign in with")
    adding.add_argument("--name", required=True, help="what they are called")
    adding.add_argument("--role", required=True, choices=tuple(Role))
    adding.add_argument("--cooperative", help="for farmer, manager and technician")
    adding.add_argument("--language", default=DEFAULT, choices=LANGUAGES)
    action(users, "list", "who there is", _list).add_argument("--json", action="store_true", help="print a JSON list")
    for name, text, run in (
        (
            "password",
            "give somebody a new password, asked for or from standard input, which lets them in once, to choose their own",
            _password,
        ),
        ("reset-factor", "take somebody's second factor away: their phone is lost; sessions and tokens end", _reset_factor),
        ("disable", "shut somebody out; sessions and tokens end", _disable),
        ("enable", "let somebody in again, also after a lock-out", _enable),
        ("export", "print everything that is held about somebody, as JSON", _export),
    ):
        action(users, name, text, run).add_argument("login")
    action(users, "reseal", "seal the second factors' secrets under the key in force, so that the keys before it can go", _reseal)
    role = action(users, "role", "give somebody another role", _role)
    role.add_argument("login")
    role.add_argument("role", choices=tuple(Role))
    link = action(users, "link", "let somebody sign in through an OpenID provider", _link)
    link.add_argument("login")
    link.add_argument("--issuer", required=True, help="the provider's issuer URL")
    link.add_argument("--subject", required=True, help="the subject (sub) by which it knows them")
    gone = action(users, "delete", "delete somebody's personal data; prints what is kept and why", _delete)
    gone.add_argument("login")
    gone.add_argument("--yes", action="store_true", help="do not ask")

    own_tokens = group(
        "token",
        "tokens of apps and gateways; a new one is written to a file (0600) or printed once",
        "  vuong cloud token issue sau --name phone --out sau.token\n  vuong cloud token gateway gw-vinh-chau --out gateway.token",
    )
    issue = action(own_tokens, "issue", "issue a token of somebody's app", _issue)
    issue.add_argument("login")
    issue.add_argument("--name", required=True, help="what the token is for, such as the phone's name")
    issue.add_argument("--scope", action="append", help="a right that it carries, again for more (default: all of the role)")
    issue.add_argument("--days", type=int, default=tokens.DAYS, help="how long it lasts (default: %(default)s)")
    issue.add_argument("--out", type=Path, help="write it to this file instead of standard output")
    shown = action(own_tokens, "list", "somebody's tokens", _tokens)
    shown.add_argument("login")
    shown.add_argument("--json", action="store_true", help="print a JSON list")
    revoke = action(own_tokens, "revoke", "end one of somebody's tokens", _revoke)
    revoke.add_argument("login")
    revoke.add_argument("id", type=int, help="see `token list`")
    gateway = action(own_tokens, "gateway", "give a gateway a new token", _gateway)
    gateway.add_argument("gateway")
    gateway.add_argument("--now", action="store_true", help="end the old one at once instead of in a day: it was stolen")
    gateway.add_argument("--out", type=Path, help="write it to this file instead of standard output")

    log = group("audit", "the audit log", "  vuong cloud audit verify --head 3f9a…\n  vuong cloud audit list --json")
    verify = action(log, "verify", "prove that nothing in the log was changed; exit code 1 if it was", _verify)
    verify.add_argument("--head", help="a head that an earlier verification printed: it must still be in the chain")
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    told = action(log, "list", "the newest entries, the oldest of them first", _audit)
    told.add_argument("--limit", type=int, default=100, help="how many (default: %(default)s)")
    told.add_argument("--json", action="store_true", help="print a JSON list")


def _run(open_store: Open, run: Callable[[Engine, argparse.Namespace, float], int], arguments: argparse.Namespace) -> int:
    engine = open_store(arguments)
    try:
        return run(engine, arguments, SystemClock().now())
    except (people.PersonError, tokens.TokenError, SealError) as error:
        raise CommandError(str(error)) from None
    finally:
        engine.dispose()


def read_password() -> str:
    """Return a password: typed twice without being shown, or the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("password: ")
    if first != getpass.getpass("again: "):
        raise CommandError("the two passwords differ; try again")
    return first


def _give(secret: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(secret + "\n")
        return
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret + "\n")
    except FileExistsError:
        raise CommandError(f"--out: {out} is there already; name a new file (the token was made: rotate it again)") from None


def _table(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False) + "\n")
    else:
        for row in rows:
            sys.stdout.write("  ".join("–" if value is None else str(value) for value in row.values()) + "\n")


def _add(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    people.add(
        engine,
        login=arguments.login,
        name=arguments.name,
        role=arguments.role,
        cooperative=arguments.cooperative,
        password=read_password(),
        now=now,
        actor=_ACTOR,
        language=arguments.language,
        initial=True,
    )
    _say_initial()
    return 0


def _say_initial() -> None:
    sys.stderr.write(f"the password lets its owner in for {people.INITIAL_DAYS} days, to choose their own\n")


def _list(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    del now
    with ScopedSession(engine, Scope.everything()) as session:
        rows = [
            {
                "login": u.login,
                "name": u.name,
                "role": u.role,
                "cooperative": u.cooperative_id,
                "disabled": u.disabled,
                "second_factor": factors.enrolled(session, u.id),
                "initial_until": u.initial_until,
            }
            for u in people.everybody(session)
        ]
    _table(rows, as_json=arguments.json)
    return 0


def _password(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    people.set_password(engine, arguments.login, read_password(), now=now, actor=_ACTOR, initial=True)
    _say_initial()
    return 0


def _reset_factor(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    if not factors.remove(engine, people.find(engine, arguments.login).id, now, actor=_ACTOR):
        sys.stderr.write(f"{arguments.login} had no second factor; sessions and tokens ended all the same\n")
    return 0


def _reseal(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    del arguments, now
    try:
        keys = secret_keys(sqlite_path(engine))
    except ValueError as error:
        raise CommandError(str(error)) from None
    sys.stdout.write(f"{factors.reseal(engine, Seal(*keys))} secrets are sealed under the key in force\n")
    return 0


def _disable(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    people.disable(engine, arguments.login, now=now, actor=_ACTOR)
    return 0


def _enable(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    people.enable(engine, arguments.login, now=now, actor=_ACTOR)
    return 0


def _role(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    people.set_role(engine, arguments.login, arguments.role, now=now, actor=_ACTOR)
    return 0


def _link(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    people.link(engine, arguments.login, arguments.issuer, arguments.subject, now=now, actor=_ACTOR)
    return 0


def _export(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    user = people.find(engine, arguments.login)
    sys.stdout.write(json.dumps(personal.export(engine, user.id, now=now, actor=_ACTOR), ensure_ascii=False, indent=1) + "\n")
    return 0


def _delete(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    user = people.find(engine, arguments.login)
    if not arguments.yes:
        sys.stderr.write(f"delete the personal data of {user.name} ({user.login})? type the login: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip() != user.login:
            raise CommandError("nothing was deleted; type the login, or give --yes")
    kept = personal.delete(engine, user.id, now=now, actor=_ACTOR)
    for what, why in kept.items():
        sys.stdout.write(f"kept: {what}: {why}\n")
    return 0


def _issue(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    user = people.find(engine, arguments.login)
    if not 1 <= arguments.days <= 366:
        raise CommandError(f"--days is {arguments.days}; give 1 to 366")
    issued = tokens.issue(
        engine, user.id, name=arguments.name, scopes=arguments.scope, now=now, days=arguments.days, actor=_ACTOR
    )
    _give(issued.token, arguments.out)
    return 0


def _tokens(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    rows = [
        {"id": t.id, "name": t.name, "scopes": ",".join(t.scopes), "created": t.created, "expires": t.expires}
        for t in tokens.of_user(engine, people.find(engine, arguments.login).id, now)
    ]
    _table(rows, as_json=arguments.json)
    return 0


def _revoke(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    user = people.find(engine, arguments.login)
    if not tokens.revoke(engine, user.id, arguments.id, now=now, actor=_ACTOR):
        raise CommandError(f"id is {arguments.id}, which is no token of {arguments.login}; see `vuong cloud token list`")
    return 0


def _gateway(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    overlap = 0 if arguments.now else tokens.OVERLAP_OF_GATEWAY
    scope = Scope.everything()
    _give(tokens.rotate_gateway(engine, arguments.gateway, now=now, actor=_ACTOR, scope=scope, overlap=overlap), arguments.out)
    return 0


def _verify(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    del now
    verdict = audit.verify(engine, arguments.head)
    if arguments.json:
        found = {"entries": verdict.entries, "head": verdict.head, "broken_at": verdict.broken_at, "sound": verdict.sound}
        sys.stdout.write(json.dumps(found) + "\n")
    elif verdict.broken_at is not None:
        sys.stdout.write(f"BROKEN at entry {verdict.broken_at}: it was changed, or one before it is missing\n")
    elif not verdict.holds_expected:
        sys.stdout.write(f"BROKEN: the head {arguments.head} is no longer in the chain: the newest entries were taken away\n")
    else:
        sys.stdout.write(f"sound: {verdict.entries} entries, head {verdict.head}\n")
    return 0 if verdict.sound else 1


def _audit(engine: Engine, arguments: argparse.Namespace, now: float) -> int:
    del now
    if not 1 <= arguments.limit <= 100_000:
        raise CommandError(f"--limit is {arguments.limit}; give 1 to 100000")
    with ScopedSession(engine, Scope.everything()) as session:
        found = list(session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(arguments.limit)))
    names = ("id", "time", "actor", "action", "subject", "cooperative_id", "detail")
    _table([{name: getattr(row, name) for name in names} for row in reversed(found)], as_json=arguments.json)
    return 0
