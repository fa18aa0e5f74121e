"""Routes that write: who asks must have the right, a page's form must carry its token, and the session is the asker's scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import UploadFile

from cloud.accounts import audit
from cloud.accounts.roles import Right
from cloud.accounts.secrets import form_token_fits
from cloud.accounts.service import Principal
from cloud.context import Asker, Cloud, Context, Visitor, bearer, demand, session_cookie
from cloud.tenancy import ScopedSession
from vuong.contract.api import FORM_HEADER


class Work:
    """A unit of writing in the asker's scope: one transaction, with its entries in the audit log.

    Parameters
    ----------
    session : narrowed to the asker's scope
    principal : who asks
    cloud : the running cloud
    """

    def __init__(self, session: ScopedSession, principal: Principal, cloud: Context) -> None:
        self.session, self.principal, self.cloud = session, principal, cloud

    @property
    def now(self) -> float:
        """The time of what happens in ponds, UTC seconds."""
        return self.cloud.clock.now()

    def done(self, action: str, subject: str, cooperative: str | None = None, **detail: object) -> None:
        """Note what was done and make it last."""
        self.session.flush()
        audit.append(
            self.session.connection(),
            now=self.cloud.wall.now(),
            actor=self.principal.actor,
            action=action,
            subject=subject,
            cooperative=cooperative,
            **detail,
        )
        self.session.commit()


def _work(cloud: Context, principal: Principal, right: Right) -> Iterator[Work]:
    demand(principal, right)
    with ScopedSession(cloud.engine.execution_options(writes=True), principal.scope) as session:
        yield Work(session, principal, cloud)


class ApiWriter:
    """Dependency of a JSON route that writes; a browser's session also sends its form token (`FORM_HEADER`)."""

    def __init__(self, right: Right) -> None:
        self.right = right

    def __call__(self, request: Request, cloud: Cloud, principal: Asker) -> Iterator[Work]:
        """Give the work; 403 without the right."""
        given = request.headers.get(FORM_HEADER, "")
        if bearer(request) is None and not form_token_fits(cloud.key, session_cookie(request), given):
            raise HTTPException(403, f"send the page's form token in the header {FORM_HEADER}, or a bearer token")
        yield from _work(cloud, principal, self.right)


class PageWriter:
    """Dependency of a page's form that writes."""

    def __init__(self, right: Right) -> None:
        self.right = right

    def __call__(self, request: Request, cloud: Cloud, visitor: Visitor, form: Fields) -> Iterator[Work]:
        """Give the work; 403 without the right or with another page's form token."""
        if not form_token_fits(cloud.key, session_cookie(request), form.get("token", "")):
            raise HTTPException(403, "this form has expired; load the page anew")
        yield from _work(cloud, visitor, self.right)


async def fields(request: Request) -> dict[str, str]:
    """Return a form's fields as texts; what is empty is left out."""
    form: Any = await request.form(max_files=0, max_fields=60)
    return {name: value.strip() for name, value in form.items() if not isinstance(value, UploadFile) and value.strip()}


Fields = Annotated[dict[str, str], Depends(fields)]
