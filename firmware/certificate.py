"""Until when a certificate is valid, read from its DER (RFC 5280, 4.1: the validity is the fifth part of what is signed)."""


def _item(der: bytes, at: int) -> "tuple[int, int, int]":
    """Return tag, start and end of the content of the item at `at`."""
    size, at, tag = der[at + 1], at + 2, der[at]
    if size & 0x80:
        count = size & 0x7F
        size, at = int.from_bytes(der[at : at + count], "big"), at + count
    return tag, at, at + size


def until(der: bytes) -> str:
    """Return the end of a certificate's validity, ``2027-11-20T08:00:00Z``.

    Raises
    ------
    ValueError
        if this is no certificate
    """
    try:
        at = _item(der, _item(der, 0)[1])[1]
        skip = 4 if der[at] == 0xA0 else 3  # the version is left out where it is 1
        for _ in range(skip):
            at = _item(der, at)[2]
        first = _item(der, at)[1]
        tag, start, end = _item(der, _item(der, first)[2])
        text = str(der[start:end], "utf-8")
        if tag == 0x17:  # UTCTime: 50 to 99 are of the last century
            text = ("19" if text[0] >= "5" else "20") + text
    except (IndexError, ValueError):
        tag, text = 0, ""
    if tag not in {0x17, 0x18} or len(text) != 15 or text[14] != "Z":
        raise ValueError("this is no certificate in DER")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:14]}Z"
