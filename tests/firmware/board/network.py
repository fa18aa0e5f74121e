# ruff: noqa - runs under MicroPython only, and stands in for a C module
"""Stands in for the ESP32's ``network``: Wi-Fi is there while a file named ``wifi`` is."""

import os


class WLAN:
    IF_STA = 0

    def __init__(self, interface: int) -> None:
        self.name = None

    def _there(self) -> bool:
        return "wifi" in os.listdir(os.getenv("BOARD"))

    def active(self, on: bool) -> None:
        self.name = None

    def isconnected(self) -> bool:
        return self.name == "pond" and self._there()

    def scan(self) -> list:
        return [(b"neighbour", b"", 1, -40, 3, False), (b"pond", b"", 6, -71, 3, False)] if self._there() else []

    def connect(self, name: str, password: str) -> None:
        self.name = name

    def disconnect(self) -> None:
        self.name = None

    def status(self, what: str) -> int:
        return -71
