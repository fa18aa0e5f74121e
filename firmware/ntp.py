"""The time from an NTP server (RFC 5905, client mode of SNTP): what a node without a clock needs before it can check a certificate's dates."""

import os
import socket

PORT = 123
_TO_1970 = 2208988800  # s from NTP's epoch, 1900
_ERA = 4294967296  # s until its 32-bit seconds start again, on 7 February 2036


class NtpError(OSError):
    """No usable answer."""


def read(answer: bytes, sent: bytes) -> int:
    """Return UTC seconds since 1970 of an answer.

    Parameters
    ----------
    sent : the transmit timestamp of the question, 8 bytes, which the answer must repeat

    Raises
    ------
    NtpError
        if it is no answer to that question, or from a server that does not know the time
    """
    if len(answer) < 48 or answer[0] & 7 != 4 or answer[24:32] != sent:
        raise NtpError("this is no answer to our question")
    if answer[0] >> 6 == 3 or not 1 <= answer[1] <= 15:
        raise NtpError("the server does not know the time itself")
    seconds = int.from_bytes(answer[40:44], "big")
    if seconds < 0x80000000:
        seconds += _ERA
    return seconds - _TO_1970


def ask(host: str, port: int = PORT, seconds: float = 2.0) -> int:
    """Return UTC seconds since 1970; it waits, the whole node with it, at most `seconds` for the answer.

    Raises
    ------
    OSError
        if there is no server or no usable answer
    """
    sent = os.urandom(8)  # a random mark in place of our time, which we do not know, tells the answer from a forged one
    question = b"\x23" + bytes(39) + sent
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        line.settimeout(seconds)
        line.connect(socket.getaddrinfo(host, port, 0, socket.SOCK_DGRAM)[0][-1])
        line.send(question)
        return read(line.recv(64), sent)
    finally:
        line.close()
