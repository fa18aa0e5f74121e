"""Node → gateway: samples as SenML packs (RFC 8428), in JSON for the live sample and in CBOR for stored ones.

MicroPython runs this module. Its floats have 32 bits, so values stay scaled integers and become exact decimals: text in JSON, decimal fractions
(RFC 8949 section 3.4.4) in CBOR. A pack is built into one bytearray.

A sample is a tuple ``(boot, seq, time, values)``: ``values`` maps a quantity's name to its scaled integer (`Quantity.scaled`), ``time`` is UTC
seconds, or seconds <= 0 before now where the node has no clock (RFC 8428 section 4.5.3). ``firsts`` maps a boot to the lowest sequence that the
node still holds of it. Each sample's first record sets the base time; ``boot`` is sent where it changes, ``first`` once a boot, and quantities
in alphabetical order, for MicroPython's dicts keep none.
"""

from vuong.quantities import QUANTITIES, Quantity

BASE_NAME = "urn:dev:mac:"


def decimal_text(mantissa: int, exponent: int) -> str:
    """Return ``mantissa * 10**exponent`` as a JSON number, exactly."""
    if exponent >= 0 or mantissa == 0:
        return str(mantissa * 10**exponent) if mantissa else "0"
    digits = str(abs(mantissa))
    if len(digits) <= -exponent:
        digits = "0" * (1 - exponent - len(digits)) + digits
    text = (digits[:exponent] + "." + digits[exponent:]).rstrip("0").rstrip(".")
    return "-" + text if mantissa < 0 else text


def _quantity(name: str) -> Quantity:
    try:
        return QUANTITIES[name]
    except KeyError:
        raise ValueError(f"quantity {name!r} is not in the table of quantities") from None


def _plan(
    samples: list[tuple[int, int, int, dict[str, int]]], firsts: dict[int, int]
) -> list[tuple[tuple[int, int, int, dict[str, int]], bool, int | None]]:
    """Return ``(sample, send_boot, first or None)``: which identity records each sample needs."""
    last, told, plan = -1, set(), []
    for sample in samples:
        boot = sample[0]
        first = None
        if boot not in told:
            told.add(boot)
            first = firsts.get(boot)
        plan.append((sample, boot != last, first))
        last = boot
    return plan


def json_pack(node: str, samples: list[tuple[int, int, int, dict[str, int]]], firsts: dict[int, int]) -> bytes:
    """Return `samples` as a SenML JSON pack.

    Parameters
    ----------
    node : EUI-64, 16 lower-case hex digits
    samples : list of ``(boot, seq, time, values)``, at least one
    firsts : dict of boot → lowest sequence still held

    Raises
    ------
    ValueError
        if there is no sample, or a quantity is not in the table
    """
    out = bytearray()
    for (boot, seq, time, values), send_boot, first in _plan(samples, firsts):
        if out:
            out += b',{"bt":'
        else:
            out += ('[{"bn":"' + BASE_NAME + node + ':","bt":').encode()
        out += str(time).encode()
        if send_boot:
            out += (',"n":"boot","v":' + str(boot) + "},{").encode()
        else:
            out += b","
        out += ('"n":"seq","v":' + str(seq) + "}").encode()
        if first is not None:
            out += (',{"n":"first","v":' + str(first) + "}").encode()
        for name in sorted(values):
            q = _quantity(name)
            number = decimal_text(values[name], q.senml_exponent - q.digits)
            out += (',{"n":"' + name + '","u":"' + q.senml_unit + '","v":' + number + "}").encode()
    if not out:
        raise ValueError("a pack needs at least one sample")
    out += b"]"
    return bytes(out)


# Heads of CBOR items (RFC 8949 section 3.1) and SenML's integer labels (RFC 8428 table 6), encoded.
_UNSIGNED, _NEGATIVE, _TEXT, _ARRAY, _MAP, _TAG = 0x00, 0x20, 0x60, 0x80, 0xA0, 0xC0
_BT, _BN, _N, _U, _V = 0x22, 0x21, 0x00, 0x01, 0x02


def _head(out: bytearray, major: int, argument: int) -> None:
    if argument < 24:
        out.append(major | argument)
        return
    size, info = 1, 24
    while argument >> (8 * size):
        size, info = size * 2, info + 1
    out.append(major | info)
    for shift in range(8 * (size - 1), -1, -8):
        out.append((argument >> shift) & 255)


def _integer(out: bytearray, value: int) -> None:
    if value >= 0:
        _head(out, _UNSIGNED, value)
    else:
        _head(out, _NEGATIVE, -1 - value)


def _text(out: bytearray, text: str) -> None:
    encoded = text.encode()
    _head(out, _TEXT, len(encoded))
    out += encoded


def _counter(out: bytearray, name: str, value: int, pairs: int) -> None:
    """Add the record of a plain number; ``pairs`` base fields were announced by it and follow."""
    _head(out, _MAP, 2 + pairs)
    out.append(_N)
    _text(out, name)
    out.append(_V)
    _integer(out, value)


def cbor_pack(node: str, samples: list[tuple[int, int, int, dict[str, int]]], firsts: dict[int, int]) -> bytes:
    """Return `samples` as a SenML CBOR pack; parameters and errors as in `json_pack`."""
    plan = _plan(samples, firsts)
    records = sum([1 + send_boot + (first is not None) + len(sample[3]) for sample, send_boot, first in plan])
    if not records:
        raise ValueError("a pack needs at least one sample")
    out = bytearray()
    _head(out, _ARRAY, records)
    empty = len(out)
    for (boot, seq, time, values), send_boot, first in plan:
        base_name = len(out) == empty
        if send_boot:
            _counter(out, "boot", boot, 1 + base_name)
        else:
            _counter(out, "seq", seq, 1)
        out.append(_BT)
        _integer(out, time)
        if base_name:
            out.append(_BN)
            _text(out, BASE_NAME + node + ":")
        if send_boot:
            _counter(out, "seq", seq, 0)
        if first is not None:
            _counter(out, "first", first, 0)
        for name in sorted(values):
            q = _quantity(name)
            exponent = q.senml_exponent - q.digits
            _head(out, _MAP, 3)
            out.append(_N)
            _text(out, name)
            out.append(_U)
            _text(out, q.senml_unit)
            out.append(_V)
            if exponent < 0:
                out.append(_TAG | 4)
                out.append(_ARRAY | 2)
                _integer(out, exponent)
                _integer(out, values[name])
            else:
                _integer(out, values[name] * 10**exponent)
    return bytes(out)
