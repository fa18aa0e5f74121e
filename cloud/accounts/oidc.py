"""Signing in through an OpenID provider: authorization code with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636, RFC 9700)."""

from __future__ import annotations

import os
import secrets
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx
from authlib.common.errors import AuthlibBaseError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

with warnings.catch_warnings():
    # It says that httpx has a successor: its matter, and nothing that whoever starts the cloud can do about.
    from authlib.deprecate import AuthlibDeprecationWarning

    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import OAuth2Client

# Signatures only: "none" and shared-secret ones are never accepted.
_ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
_LEEWAY: Final = 60
_TIMEOUT: Final = 10.0


class OidcError(Exception):
    """The provider cannot be used, or what it said cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that begins: where to send the browser, and what must come back."""

    url: str
    state: str
    nonce: str
    verifier: str


class Provider:
    """One OpenID provider; its keys are kept and fetched anew when a token names one that is not known.

    Parameters
    ----------
    issuer : its issuer URL, under which ``/.well-known/openid-configuration`` lies
    client, secret : what it knows us by; `secret` may be ``None`` for a public client
    redirect : our address to which it sends the browser back: ``https://…/sign-in/oidc/return``
    """

    def __init__(self, issuer: str, client: str, secret: str | None, redirect: str) -> None:
        self.issuer, self._client, self._secret, self._redirect = issuer, client, secret, redirect
        self._lock = threading.Lock()
        self._found: dict[str, Any] | None = None
        self._keys: KeySet | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Return the provider that ``VUONG_OIDC_ISSUER``, ``_CLIENT``, ``_SECRET`` and ``_REDIRECT`` name, ``None`` without an issuer.

        Raises
        ------
        ValueError
            if one of the others is missing
        """
        issuer = environment.get("VUONG_OIDC_ISSUER")
        if not issuer:
            return None
        client, redirect = environment.get("VUONG_OIDC_CLIENT"), environment.get("VUONG_OIDC_REDIRECT")
        if not client or not redirect:
            raise ValueError("VUONG_OIDC_ISSUER is set; set VUONG_OIDC_CLIENT and VUONG_OIDC_REDIRECT too")
        return cls(issuer, client, environment.get("VUONG_OIDC_SECRET"), redirect)

    def begin(self) -> Flow:
        """Return a new flow.

        Raises
        ------
        OidcError
            if the provider does not answer
        """
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        with self._oauth() as oauth:
            url, state = oauth.create_authorization_url(
                self._configuration()["authorization_endpoint"], nonce=nonce, code_verifier=verifier
            )
        return Flow(url, state, nonce, verifier)

    def exchange(self, code: str, flow_verifier: str) -> str:
        """Return the ID token that the provider gives for a code.

        Raises
        ------
        OidcError
            if it gives none
        """
        try:
            with self._oauth() as oauth:
                reply = oauth.fetch_token(self._configuration()["token_endpoint"], code=code, code_verifier=flow_verifier)
        except (httpx.HTTPError, AuthlibBaseError, ValueError) as error:
            raise OidcError(f"the provider refused the code: {error}") from None
        token = reply.get("id_token")
        if not isinstance(token, str):
            raise OidcError("the provider gave no ID token")
        return token

    def subject(self, token: str, nonce: str, now: float) -> str:
        """Return whom an ID token names, once its signature, issuer, audience, nonce and times were found right.

        Parameters
        ----------
        token : the ID token
        nonce : that of the flow
        now : UTC seconds

        Raises
        ------
        OidcError
            if it is not right
        """
        try:
            claims = self._decoded(token)
            jwt.JWTClaimsRegistry(
                now=int(now),
                leeway=_LEEWAY,
                iss={"essential": True, "value": self._configuration()["issuer"]},
                aud={"essential": True, "value": self._client},
                nonce={"essential": True, "value": nonce},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError) as error:
            raise OidcError(f"the ID token is not right: {error}") from None
        # A token for several audiences must say that it was made for us (OpenID Connect Core 3.1.3.7).
        audience = claims["aud"]
        several = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if several else self._client) != self._client:
            raise OidcError("the ID token was made for another client")
        return str(claims["sub"])

    def _oauth(self) -> OAuth2Client:
        method = "client_secret_basic" if self._secret else "none"
        return OAuth2Client(
            client_id=self._client,
            client_secret=self._secret,
            token_endpoint_auth_method=method,
            redirect_uri=self._redirect,
            scope="openid",
            code_challenge_method="S256",
            timeout=_TIMEOUT,
        )

    def _get(self, url: str) -> dict[str, Any]:
        try:
            reply = httpx.get(url, timeout=_TIMEOUT).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise OidcError(f"the provider {self.issuer} does not answer: {type(error).__name__}") from None
        if not isinstance(reply, dict):
            raise OidcError(f"the provider {self.issuer} answered no object")
        return reply

    def _configuration(self) -> dict[str, Any]:
        with self._lock:
            if self._found is None:
                found = self._get(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
                needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
                if found.get("issuer") != self.issuer or not all(isinstance(found.get(name), str) for name in needed):
                    raise OidcError(f"the provider says it is {found.get('issuer')!r:.200}, not {self.issuer!r}; set that one")
                self._found = found
            return self._found

    def _decoded(self, token: str) -> dict[str, Any]:
        for keys in (self._keys, None):
            try:
                return dict(jwt.decode(token, keys or self._fetched_keys(), algorithms=_ALGORITHMS).claims)
            except (JoseError, ValueError):
                if keys is None:  # these were fetched just now
                    raise
        raise AssertionError

    def _fetched_keys(self) -> KeySet:
        self._keys = KeySet.import_key_set(self._get(self._configuration()["jwks_uri"]))  # type: ignore[arg-type]
        return self._keys
