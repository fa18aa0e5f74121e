"""Over-the-air update: signed, in pieces over MQTT, resumable; the slot is written only for a manifest whose signature is right.

Two commands (`firmware.node`): ``{"id": 1, "do": "update", "manifest": {...}}`` is answered with ``{"want": offset, "takes": "program"}``, or
``"image"`` (`firmware.slots`), then ``{"id": 2, "do": "piece", "offset": ..., "data": base64}`` with the next ``want``, at last with
``{"installed": version}``.

The manifest has version, size, sha256 (hex) and signature (hex, Ed25519 over the other three, see `signed_text`). A version that is not above the
running one is refused, so that an old, broken firmware cannot be played back. After a restart of the transfer, or of the node, ``update`` with the
same manifest answers where to go on.
"""

import binascii
import hashlib

from firmware import files
from firmware.slots import BLOCK

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.boundaries import Slot

PIECE = 1024
_NOTE_EVERY = 16 * BLOCK  # how much is sent again at worst after a power cut


class UpdateError(ValueError):
    """An update that was refused; the text says why."""


def version_key(version: str) -> "tuple[int, ...]":
    """Return a version ``1.2.3`` as numbers.

    Raises
    ------
    UpdateError
        if it is anything else
    """
    try:
        numbers = tuple([int(part) for part in version.split(".")])
    except ValueError:
        numbers = ()
    if len(numbers) != 3 or min(numbers) < 0:
        raise UpdateError(f"version {version!r} is not three numbers like 1.2.3")
    return numbers


def signed_text(version: str, size: int, sha256: str) -> bytes:
    """Return what a manifest's signature is made over."""
    return f"vuong firmware\n{version}\n{size}\n{sha256}\n".encode()


class Updater:
    """Takes one update at a time.

    Parameters
    ----------
    slot : `firmware.slots`
    path : file that remembers how far a transfer came
    public_key : Ed25519, 32 bytes
    running : version that runs now
    """

    def __init__(self, slot: "Slot", path: str, public_key: bytes, running: str) -> None:
        self._slot, self._path, self._key, self._running = slot, path, public_key, running
        state = files.load(path)
        self._manifest: "dict[str, Any] | None" = state.get("manifest")
        self._done = int(state.get("done", 0))

    def commands(self) -> "dict[str, Any]":
        """Return the node's commands."""
        return {"update": self.offer, "piece": self.piece}

    def offer(self, message: "dict[str, Any]") -> "dict[str, Any]":
        """Check a manifest and say where to begin or go on.

        Raises
        ------
        UpdateError
            if it is not newer, does not fit, or its signature is wrong
        """
        manifest = message["manifest"]
        from firmware.ed25519 import verify  # noqa: PLC0415 (once an update; its memory is needed for the transfer)

        version, size, sha256 = str(manifest["version"]), int(manifest["size"]), str(manifest["sha256"])
        if version_key(version) <= version_key(self._running):
            raise UpdateError(f"version {version} is not above the running {self._running}")
        if not 0 < size <= self._slot.capacity:
            raise UpdateError(f"size {size} does not fit the slot of {self._slot.capacity} B")
        if not verify(self._key, signed_text(version, size, sha256), binascii.unhexlify(manifest["signature"])):
            raise UpdateError("the signature is not of our key")
        if self._manifest != manifest:
            self._manifest, self._done = manifest, 0
            self._note()
        return {"want": self._done, "takes": self._slot.takes}

    def piece(self, message: "dict[str, Any]") -> "dict[str, Any]":
        """Write the next piece; pieces that are not wanted change nothing.

        Raises
        ------
        UpdateError
            if there is no update under way, the piece has a wrong length, or the whole is not what was signed
        """
        if self._manifest is None:
            raise UpdateError("no update is under way; offer its manifest first")
        size = int(self._manifest["size"])
        if int(message["offset"]) != self._done:
            return {"want": self._done}
        data = binascii.a2b_base64(message["data"])
        if len(data) != min(PIECE, size - self._done):
            raise UpdateError(f"a piece of {len(data)} B at {self._done}; send {min(PIECE, size - self._done)}")
        self._slot.write(self._done, data)
        self._done += len(data)
        if self._done < size:
            if self._done % _NOTE_EVERY == 0:
                self._note()
            return {"want": self._done}
        return self._finish(size)

    def _finish(self, size: int) -> "dict[str, Any]":
        manifest = self._manifest or {}
        digest = hashlib.sha256()
        for offset in range(0, size, PIECE):
            digest.update(self._slot.read(offset, min(PIECE, size - offset)))
        self._manifest, self._done = None, 0
        self._note()
        if binascii.hexlify(digest.digest()).decode() != manifest["sha256"]:
            raise UpdateError("what was written is not what was signed; send it again")
        self._slot.activate(size)
        files.save(self._path, {"installed": manifest["version"]})
        return {"installed": manifest["version"]}

    def _note(self) -> None:
        files.save(self._path, {"manifest": self._manifest, "done": self._done} if self._manifest else {})
