"""Ed25519 signature check (RFC 8032) in plain integers, so that MicroPython runs it; it needs seconds on an ESP32, once an update.

Only the check: signing is the host's, with a real library. Nothing here is secret, so nothing needs to run in constant time.
"""

import hashlib

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_MASK = 0xFFFFFFFFFFFFFFFF

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    Point = tuple[int, int, int, int]


def _root_bits(prime: int, power: int) -> int:
    """Return the first 64 bits behind the point of a prime's square or cube root: where SHA-512's constants come from (FIPS 180-4, 4.2.3)."""
    target, low, high = prime << (64 * power), 0, prime << 64
    while low < high:
        middle = (low + high + 1) // 2
        if middle**power <= target:
            low = middle
        else:
            high = middle - 1
    return low & _MASK


def _primes(count: int) -> "list[int]":
    found: "list[int]" = []
    n = 2
    while len(found) < count:
        if all(n % p for p in found):
            found.append(n)
        n += 1
    return found


def _turn(x: int, n: int) -> int:
    return (x >> n | x << (64 - n)) & _MASK


def sha512(data: bytes) -> bytes:
    """Return SHA-512 (FIPS 180-4); the interpreter's own where it has one, which the ESP32's has not."""
    if hasattr(hashlib, "sha512"):
        return hashlib.sha512(data).digest()
    return plain_sha512(data)


def plain_sha512(data: bytes) -> bytes:
    """Return SHA-512 in plain integers."""
    primes = _primes(80)
    constants = [_root_bits(p, 3) for p in primes]
    state = [_root_bits(p, 2) for p in primes[:8]]
    size = len(data)
    data = data + b"\x80" + b"\x00" * ((111 - size) % 128) + (8 * size).to_bytes(16, "big")
    for start in range(0, len(data), 128):
        w = [int.from_bytes(data[start + i : start + i + 8], "big") for i in range(0, 128, 8)]
        a, b, c, d, e, f, g, h = state
        for i in range(80):
            if i >= 16:
                x, y = w[1], w[14]
                s0, s1 = _turn(x, 1) ^ _turn(x, 8) ^ x >> 7, _turn(y, 19) ^ _turn(y, 61) ^ y >> 6
                w.append((w.pop(0) + s0 + w[8] + s1) & _MASK)
            word = w[15] if i >= 16 else w[i]
            t1 = h + (_turn(e, 14) ^ _turn(e, 18) ^ _turn(e, 41)) + (e & f ^ ~e & g) + constants[i] + word
            t2 = (_turn(a, 28) ^ _turn(a, 34) ^ _turn(a, 39)) + (a & b ^ a & c ^ b & c)
            a, b, c, d, e, f, g, h = (t1 + t2) & _MASK, a, b, c, (d + t1) & _MASK, e, f, g
        state = [(s + v) & _MASK for s, v in zip(state, (a, b, c, d, e, f, g, h))]  # noqa: B905 (MicroPython's zip has no strict)
    return b"".join([s.to_bytes(8, "big") for s in state])


def _add(p: "Point", q: "Point") -> "Point":
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(n: int, p: "Point") -> "Point":
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = _add(total, p)
        p = _add(p, p)
        n >>= 1
    return total


def _same(p: "Point", q: "Point") -> bool:
    return (p[0] * q[2] - q[0] * p[2]) % _P == 0 and (p[1] * q[2] - q[1] * p[2]) % _P == 0


def _x_of(y: int, odd: int) -> "int | None":
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if square == 0:
        return None if odd else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P:
        return None
    return _P - x if x & 1 != odd else x


def _point(data: bytes) -> "Point | None":
    y = int.from_bytes(data, "little")
    odd, y = y >> 255, y & ((1 << 255) - 1)
    x = _x_of(y, odd)
    return None if x is None else (x, y, 1, x * y % _P)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` (64 bytes) of `message` was made with the secret of `public` (32 bytes)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = _point(public), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _ORDER:
        return False
    h = int.from_bytes(sha512(signature[:32] + public + message), "little") % _ORDER
    y = 4 * pow(5, _P - 2, _P) % _P
    x = _x_of(y, 0) or 0
    return _same(_times(s, (x, y, 1, x * y % _P)), _add(r, _times(h, a)))
