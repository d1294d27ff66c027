"""Hashes of strings that are the same on every machine: FarmHash's 64-bit fingerprint and SipHash-2-4, whole arrays at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_U64 = np.uint64
_K0, _K1, _K2 = _U64(0xC3A5C85C97CB3127), _U64(0xB492B66FBE98F273), _U64(0x9AE16A3B2F90404F)
_Words = Callable[[int], np.ndarray]


def to_bytes(strings: Any) -> list[bytes]:
    """Strings, bytes or whole numbers as the bytes that are hashed: UTF-8, numbers in decimals."""
    return [s if isinstance(s, bytes) else str(s).encode() for s in np.asarray(strings).reshape(-1).tolist()]


def farmhash64(strings: list[bytes]) -> np.ndarray:
    """FarmHash's `Fingerprint64` (https://github.com/google/farmhash) of each string, as uint64."""
    return _by_length(strings, _farmhash)


def siphash64(strings: list[bytes], salt: tuple[int, int]) -> np.ndarray:
    """SipHash-2-4 of each string with a key of two 64-bit numbers (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012)."""
    return _by_length(strings, lambda data: _siphash(data, salt))


def cross64(columns: list[np.ndarray], key: int = 0xDECAFCAFFE) -> np.ndarray:
    """The fingerprints of rows of fingerprints, joined one after the other as TensorFlow's crosses do."""
    mul, joined = _U64(0xC6A4A7935BD1E995), np.full(len(columns[0]), key, _U64)
    for column in columns:
        joined = ((joined ^ mul) ^ (_mixed(column * mul) * mul)) * mul
        joined = _mixed(_mixed(joined) * mul)
    return joined


def _by_length(strings: list[bytes], hash_rows: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`hash_rows` on matrices of bytes, one for the strings of each length."""
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    hashes = np.empty(len(strings), _U64)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        data = np.frombuffer(b"".join(strings[i] for i in rows), np.uint8).reshape(len(rows), length)
        with np.errstate(over="ignore"):
            hashes[rows] = hash_rows(data)
    return hashes


def _reader(data: np.ndarray, dtype: str) -> _Words:
    """A function that gives the little-endian number at an offset of each row."""
    size = np.dtype(dtype).itemsize
    return lambda at: np.ascontiguousarray(data[:, at : at + size]).view(dtype).reshape(-1).astype(_U64)


def _rotated(x: np.ndarray, right: int) -> np.ndarray:
    return (x >> _U64(right)) | (x << _U64(64 - right))


def _mixed(x: np.ndarray) -> np.ndarray:
    return x ^ (x >> _U64(47))


def _pair(u: np.ndarray, v: np.ndarray, mul: Any) -> np.ndarray:
    """Two words as one."""
    return _mixed((v ^ _mixed((u ^ v) * mul)) * mul) * mul


def _farmhash(data: np.ndarray) -> np.ndarray:
    length = data.shape[1]
    if length <= 16:
        return _farm_short(data, length)
    word, mul = _reader(data, "<u8"), _U64((int(_K2) + length * 2) % 2**64)
    if length > 64:
        return _farm_long(data.shape[0], word, length)
    a, b = word(0) * (_K1 if length <= 32 else _K2), word(8)
    c, d = word(length - 8) * mul, word(length - 16) * _K2
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _pair(y, a + _rotated(b + _K2, 18) + c, mul)
    if length <= 32:
        return z
    e, f = word(16) * mul, word(24)
    g, h = (y + word(length - 32)) * mul, (z + word(length - 24)) * mul
    return _pair(_rotated(e + f, 43) + _rotated(g, 30) + h, e + _rotated(f + a, 18) + g, mul)


def _farm_short(data: np.ndarray, length: int) -> np.ndarray:
    mul, size = _U64((int(_K2) + length * 2) % 2**64), _U64(length)
    if length >= 8:
        word = _reader(data, "<u8")
        a, b = word(0) + _K2, word(length - 8)
        return _pair(_rotated(b, 37) * mul + a, (_rotated(a, 25) + b) * mul, mul)
    if length >= 4:
        half = _reader(data, "<u4")
        return _pair(size + (half(0) << _U64(3)), half(length - 4), mul)
    if length == 0:
        return np.full(len(data), _K2)
    first, middle, last = (data[:, i].astype(_U64) for i in (0, length // 2, length - 1))
    return _mixed((first + (middle << _U64(8))) * _K2 ^ (size + (last << _U64(2))) * _K0) * _K2


def _farm_long(count: int, word: _Words, length: int) -> np.ndarray:
    def weak(at: int, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two words for 32 bytes and two seeds."""
        w, x, y, z = (word(at + 8 * i) for i in range(4))
        a = a + w
        c = _rotated(b + a + z, 21)
        total = a + x + y
        return total + z, c + _rotated(total, 44) + a

    zero = np.zeros(count, _U64)
    seed = _U64(81)
    y = zero + seed * _K1 + _U64(113)
    z = _mixed(y * _K2 + _U64(113)) * _K2
    x = seed * _K2 + word(0)
    v = w = (zero, zero)
    mul: Any = _K1
    blocks = (length - 1) // 64
    for block in range(blocks + 1):
        at, nine = block * 64, _U64(1)
        if block == blocks:  # the last 64 bytes, which overlap those before
            at, nine = length - 64, _U64(9)
            mul = _K1 + ((z & _U64(0xFF)) << _U64(1))
            w = (w[0] + _U64((length - 1) & 63), w[1])
            v = (v[0] + w[0], v[1])
            w = (w[0] + v[0], w[1])
        x = _rotated(x + y + v[0] + word(at + 8), 37) * mul
        y = _rotated(y + v[1] + word(at + 48), 42) * mul
        x = x ^ (w[1] * nine)
        y = y + v[0] * nine + word(at + 40)
        z = _rotated(z + w[0], 33) * mul
        v = weak(at, v[1] * mul, x + w[0])
        w = weak(at + 32, z + w[1], y + word(at + 16))
        x, z = z, x
    return _pair(_pair(v[0], w[0], mul) + _mixed(y) * _K0 + z, _pair(v[1], w[1], mul) + x, mul)


def _siphash(data: np.ndarray, salt: tuple[int, int]) -> np.ndarray:
    count, length = data.shape
    padded = np.zeros((count, length // 8 * 8 + 8), np.uint8)
    padded[:, :length] = data
    padded[:, -1] = length & 0xFF
    word = _reader(padded, "<u8")
    keys = [_U64(k % 2**64) for k in salt]
    start = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)  # "somepseudorandomlygeneratedbytes"
    v0, v1, v2, v3 = (np.full(count, _U64(n) ^ keys[i % 2]) for i, n in enumerate(start))

    def rounds(times: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(times):
            v0, v2 = v0 + v1, v2 + v3
            v1, v3 = _rotated(v1, 51) ^ v0, _rotated(v3, 48) ^ v2
            v0, v2 = _rotated(v0, 32) + v3, v2 + v1
            v1, v3 = _rotated(v1, 47) ^ v2, _rotated(v3, 43) ^ v0
            v2 = _rotated(v2, 32)

    for at in range(0, padded.shape[1], 8):
        m = word(at)
        v3 = v3 ^ m
        rounds(2)
        v0 = v0 ^ m
    v2 = v2 ^ _U64(0xFF)
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3
