"""TLS for the link: the broker must show a certificate of our authority, for the name that was dialled, valid today; the node shows its own.

The date is checked against the board's clock: a node whose clock was never set must get it first (NTP, see `firmware.main`), or it cannot connect.
"""

import sys

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

if sys.implementation.name == "micropython":
    import tls  # type: ignore[import-not-found]  # what the interpreter's own `ssl` is made of

    def context(authority: bytes, certificate: "bytes | None" = None, key: "bytes | None" = None) -> "Any":  # noqa: ANN401 (two interpreters, two types)
        """Return a client's context.

        Parameters
        ----------
        authority, certificate, key : DER
        """
        made: "Any" = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        made.verify_mode = tls.CERT_REQUIRED
        made.load_verify_locations(authority)
        if certificate is not None and key is not None:
            made.load_cert_chain(certificate, key)
        return made

else:
    import ssl

    def context(authority: bytes, certificate: "bytes | None" = None, key: "bytes | None" = None) -> "Any":  # noqa: ANN401 (two interpreters, two types)
        """Return a client's context; on CPython without a certificate of its own."""
        if certificate is not None or key is not None:
            raise ValueError("a client certificate from memory is MicroPython's; CPython wants files")
        made = ssl.create_default_context(cadata=authority)
        made.check_hostname, made.verify_mode = True, ssl.CERT_REQUIRED
        return made
