"""Headers that every answer carries, and bodies that are not taken."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


class SecurityHeaders:
    """Middleware that adds them; what shows records is never kept by a browser."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if headers.get("Content-Type", "").startswith("application/json"):  # never shown as a page (ASVS 14.4.2)
                    headers.setdefault("Content-Disposition", 'attachment; filename="api.json"')
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class JsonOnly:
    """Middleware: a body that says it is anything but JSON is not taken by the API (OWASP ASVS 13.1.5)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 415."""
        if scope["type"] == "http" and scope["path"].startswith("/api/") and scope["method"] in _WITH_BODY:
            given = Headers(scope=scope).get("Content-Type", "application/json").partition(";")[0].strip().lower()
            if given != "application/json":
                told = JSONResponse({"detail": f"Content-Type is {given!r:.60}; send application/json"}, 415)
                await told(scope, receive, send)
                return
        await self._app(scope, receive, send)
