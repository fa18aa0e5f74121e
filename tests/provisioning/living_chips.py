# ruff: noqa: ANN001, ANN201, ANN202, ANN204, PTH123 - MicroPython
"""Runs under MicroPython: stand-ins for the chips of a living board's probes; what each measures, a test writes into a file of the board's folder.

``millivolts``: at the ADS1115 (Texas Instruments SBAS444); ``microsiemens``: what an EZO-EC circuit says (Atlas Scientific, I2C mode); ``celsius``: a
DS18B20 (Maxim, memory map). In what way they fail is tested with tests/firmware/chips.py.
"""

import os


def _measured(name):
    with open(os.getenv("BOARD") + "/" + name) as file:
        return file.read()


class I2C:
    """The bus with the converter at 0x48 and the conductivity circuit at 0x64."""

    def __init__(self, number, sda, scl, freq):
        self._pointer, self._reply = 0, b""

    def writeto(self, address, data):
        if address == 0x48:
            self._pointer = data[0]
        elif address == 0x64:
            self._reply = b"\x01" + (_measured("microsiemens").encode() if data == b"R" else b"") + b"\x00"
        else:
            raise OSError(19)

    def readfrom(self, address, size):
        if address == 0x64:
            return (self._reply + b"\xff" * size)[:size]
        if self._pointer:
            return b"\x85\x83"
        return int(float(_measured("millivolts")) * 8).to_bytes(2, "big")


class OneWire:
    """The bus with one thermometer; it measures when it is told to convert, and holds 85 °C before."""

    _sixteenths = 0x0550

    def __init__(self, pin):
        pass

    def reset(self):
        return True

    def writebyte(self, value):
        if value == 0x44:
            self._sixteenths = round(float(_measured("celsius")) * 16)

    def readinto(self, buffer):
        from firmware.probes.ds18b20 import crc8  # not at the top: it lies in the node's flash

        pad = (self._sixteenths & 0xFFFF).to_bytes(2, "little") + b"\x4b\x46\x7f\xff\x0c\x10"
        buffer[:] = pad + bytes([crc8(pad)])
