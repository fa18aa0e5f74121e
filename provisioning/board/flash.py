"""Write firmware and file system over the chip's boot loader, with esptool; its messages become sentences with a remedy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import esptool
from esptool import cmds
from esptool.logger import TemplateLogger, log
from serial import SerialException

from provisioning.board import port as ports
from provisioning.failure import Failure

_LOG = logging.getLogger(__name__)
Report = Callable[[int, int], None]
FAST: Final = 460_800  # most USB bridges and cables carry it


class _Talk(TemplateLogger):  # type: ignore[misc] # esptool has no types
    """esptool's messages go to our log, its progress to our bar."""

    def __init__(self) -> None:
        self.begin(lambda _done, _total: None, [])

    def begin(self, report: Report, sizes: list[int]) -> None:
        """Report the progress of parts of these sizes from now on."""
        self._report, self._sizes, self._part, self._last = report, sizes, 0, 0.0

    @property
    def percent(self) -> int:
        whole = sum(self._sizes)
        done = sum(self._sizes[: self._part]) + (self._sizes[self._part] * self._last if self._part < len(self._sizes) else 0)
        return int(100 * done / whole) if whole else 0

    def print(self, *args: object, **_: object) -> None:
        _LOG.debug("%s", " ".join(str(a) for a in args))

    def note(self, message: str) -> None:
        _LOG.info("%s", message)

    def warning(self, message: str) -> None:
        _LOG.warning("%s", message)

    def error(self, message: str) -> None:
        _LOG.error("%s", message)

    def stage(self, finish: bool = False) -> None:
        """Take no notice: stages are esptool's own way of hiding lines."""

    def set_verbosity(self, verbosity: str) -> None:
        """Take no notice: the log has a level of its own."""

    def progress_bar(self, cur_iter: int, total_iters: int, *_: object, **__: object) -> None:
        share = cur_iter / total_iters if total_iters else 1.0
        if share < self._last and self._part + 1 < len(self._sizes):
            self._part += 1
        self._last = share
        self._report(self.percent, 100)


# esptool has one logger for the whole process, which takes another only once.
_TALK: Final = _Talk()
log.set_logger(_TALK)


class Board:
    """A board in its boot loader; see `connected`.

    Attributes
    ----------
    port, chip : as esptool names them
    flash_size : B
    """

    def __init__(self, port: str, loader: Any, flash_size: int) -> None:  # noqa: ANN401 (esptool has no types)
        self.port, self._loader, self.flash_size = port, loader, flash_size
        self.chip = str(loader.CHIP_NAME)

    def write(self, parts: list[tuple[int, bytes]], report: Report) -> None:
        """Write, then compare the flash's own sums with what was sent.

        Parameters
        ----------
        parts : (first byte in flash, content)
        report : called with percent done and 100

        Raises
        ------
        Failure
            if the cable is lost, the board falls silent, or what it holds is not what was sent
        """
        _TALK.begin(report, [len(content) for _, content in parts])
        try:
            cmds.write_flash(self._loader, parts, compress=True)
        except esptool.FatalError as error:
            if "MD5" in str(error):
                raise Failure("verify") from error
            raise Failure("cable", percent=_TALK.percent, problem=_first_line(error)) from error
        except (SerialException, OSError) as error:
            raise Failure("cable", percent=_TALK.percent, problem=_first_line(error)) from error

    def restart(self) -> None:
        """Leave the boot loader."""
        with suppress(esptool.FatalError, SerialException, OSError):  # a port without control lines: power it off and on
            cmds.reset_chip(self._loader, "hard-reset")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def connected(port: str, *, attempts: int = 5) -> Iterator[Board]:
    """Open the port and bring the chip into its boot loader.

    Raises
    ------
    Failure
        if the port cannot be used, or no chip answers there
    """
    loader: Any = None
    try:
        try:
            loader = cmds.detect_chip(port, connect_attempts=attempts)
            loader = cmds.run_stub(loader)
            cmds.attach_flash(loader)
            with suppress(esptool.FatalError):  # a bridge that cannot go faster writes more slowly
                if loader.serial_port.startswith(("/dev/ttyUSB", "/dev/ttyACM", "COM", "/dev/cu.")):
                    loader.change_baud(FAST)
            size = cmds.detect_flash_size(loader)
        except esptool.FatalError as error:
            _LOG.info("esptool: %s", error)
            text = str(error)
            if "Could not open" in text or "Failed to open" in text or "could not open" in text:
                raise ports.failure(port, error) from error
            raise Failure("boot_mode", port=port, problem=_first_line(error)) from error
        except (SerialException, OSError) as error:
            raise ports.failure(port, error) from error
        if not size:
            raise Failure("flash_unknown")
        yield Board(port, loader, int(cmds.flash_size_bytes(size)))
    finally:
        if loader is not None:
            loader._port.close()  # esptool has no other way
