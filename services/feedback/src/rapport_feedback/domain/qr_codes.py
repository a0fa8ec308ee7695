"""QR codes (ISO/IEC 18004): bytes, level M, up to version 10, which a link fits in."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

QUIET = 4
"""Light modules around it."""

# By version, from 1: error correction bytes of a block, blocks of a code (level M), all bytes.
_CORRECTION = (10, 16, 26, 18, 24, 16, 18, 22, 22, 26)
_BLOCKS = (1, 1, 1, 2, 2, 4, 4, 4, 5, 5)
_BYTES = (26, 44, 70, 100, 134, 172, 196, 242, 292, 346)
_ALIGNED = (
    (),
    (6, 18),
    (6, 22),
    (6, 26),
    (6, 30),
    (6, 34),
    (6, 22, 38),
    (6, 24, 42),
    (6, 26, 46),
    (6, 28, 50),
)
_MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda row, column: (row + column) % 2 == 0,
    lambda row, _column: row % 2 == 0,
    lambda _row, column: column % 3 == 0,
    lambda row, column: (row + column) % 3 == 0,
    lambda row, column: (row // 2 + column // 3) % 2 == 0,
    lambda row, column: row * column % 2 + row * column % 3 == 0,
    lambda row, column: (row * column % 2 + row * column % 3) % 2 == 0,
    lambda row, column: ((row + column) % 2 + row * column % 3) % 2 == 0,
)
_LONG_COUNT = 10
"""From this version on the number of bytes is told in 16 bits."""

Matrix = list[list[bool]]
Places = Sequence[tuple[int, int]]


def matrix(text: str) -> Matrix:
    """The modules of a code, dark ones True; ValueError for what is too long."""
    data = text.encode()
    version = next((one for one in range(1, 11) if _fits(len(data), one)), None)
    if version is None:
        message = f"{len(data)} bytes are too many for a code: 213 at most"
        raise ValueError(message)
    bits = _stream(data, version)
    found = [_drawn(version, bits, mask) for mask in range(len(_MASKS))]
    return min(found, key=_penalty)


def svg(text: str, label: str) -> str:
    """The code as a picture that can be printed in any size; `label` (XML text) is its name."""
    modules = matrix(text)
    size = len(modules) + 2 * QUIET
    path = "".join(
        f"M{column + QUIET} {row + QUIET}h1v1h-1z"
        for row, line in enumerate(modules)
        for column, dark in enumerate(line)
        if dark
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" role="img" '
        f'shape-rendering="crispEdges"><title>{label}</title>'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path fill="#000" d="{path}"/></svg>'
    )


def _room(version: int) -> int:
    """Bytes of data."""
    return _BYTES[version - 1] - _CORRECTION[version - 1] * _BLOCKS[version - 1]


def _fits(length: int, version: int) -> bool:
    return 12 + (8 if version >= _LONG_COUNT else 0) + 8 * length <= 8 * _room(version)


def _stream(data: bytes, version: int) -> str:
    """All bits in the order in which they are drawn: data and correction of the blocks by turns."""
    width = 16 if version >= _LONG_COUNT else 8
    bits = f"0100{len(data):0{width}b}" + "".join(f"{one:08b}" for one in data)
    bits += "0" * min(4, 8 * _room(version) - len(bits))
    bits += "0" * (-len(bits) % 8)
    words = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    words += [0xEC if at % 2 == 0 else 0x11 for at in range(_room(version) - len(words))]
    blocks, number = _BLOCKS[version - 1], len(words)
    # Where they are not as long, the shorter ones come first.
    cuts = [
        one * (number // blocks) + max(0, one - blocks + number % blocks)
        for one in range(blocks + 1)
    ]
    data_blocks = [words[begin:end] for begin, end in pairwise(cuts)]
    corrections = [_correction(one, _CORRECTION[version - 1]) for one in data_blocks]
    told = [*_by_turns(data_blocks), *_by_turns(corrections)]
    return "".join(f"{one:08b}" for one in told)


def _by_turns(blocks: Sequence[Sequence[int]]) -> Iterator[int]:
    for at in range(max(map(len, blocks))):
        yield from (one[at] for one in blocks if at < len(one))


def _times(one: int, other: int) -> int:
    """The product in the field of 256 elements modulo x^8+x^4+x^3+x^2+1."""
    found = 0
    for bit in range(7, -1, -1):
        found = (found << 1) ^ ((found >> 7) * 0x11D)
        found ^= ((other >> bit) & 1) * one
    return found


def _correction(data: Sequence[int], length: int) -> list[int]:
    """The Reed-Solomon bytes of a block: the remainder by (x-1)(x-2)…(x-2^(length-1))."""
    divisor = [0] * (length - 1) + [1]
    root = 1
    for _ in range(length):
        divisor = [
            _times(one, root) ^ (divisor[at + 1] if at + 1 < length else 0)
            for at, one in enumerate(divisor)
        ]
        root = _times(root, 2)
    left = [0] * length
    for one in data:
        factor = one ^ left[0]
        shifted = [*left[1:], 0]
        left = [
            old ^ _times(coefficient, factor)
            for old, coefficient in zip(shifted, divisor, strict=True)
        ]
    return left


def _drawn(version: int, bits: str, mask: int) -> Matrix:
    size = 17 + 4 * version
    fixed = _fixed(version, size)
    fixed |= _format(size, mask)
    if version >= 7:  # noqa: PLR2004 - from there on a code says its version
        fixed |= _version(version, size)
    modules = [[False] * size for _ in range(size)]
    for (row, column), dark in fixed.items():
        modules[row][column] = dark
    free = [place for place in _snake(size) if place not in fixed]
    covers = _MASKS[mask]
    for at, (row, column) in enumerate(free):
        # What is left over behind the bits is light, and masked as well.
        modules[row][column] = (at < len(bits) and bits[at] == "1") != covers(row, column)
    return modules


def _snake(size: int) -> Iterator[tuple[int, int]]:
    """From the lower right, two columns at a time, up and down; not those of the timing."""
    upward = True
    for right in [*range(size - 1, 6, -2), 5, 3, 1]:
        for row in range(size - 1, -1, -1) if upward else range(size):
            yield row, right
            yield row, right - 1
        upward = not upward


def _fixed(version: int, size: int) -> dict[tuple[int, int], bool]:
    """Timing, the three finders with their margins, alignment, and the module that is dark."""
    found: dict[tuple[int, int], bool] = {}
    for at in range(size):
        found[6, at] = found[at, 6] = at % 2 == 0
    centres = _ALIGNED[version - 1]
    corners = {(6, 6), (6, size - 7), (size - 7, 6)}
    for row, column in ((r, c) for r in centres for c in centres if (r, c) not in corners):
        for down in range(-2, 3):
            for along in range(-2, 3):
                found[row + down, column + along] = max(abs(down), abs(along)) != 1
    for row, column in ((3, 3), (3, size - 4), (size - 4, 3)):
        for down in range(-4, 5):
            for along in range(-4, 5):
                if 0 <= row + down < size and 0 <= column + along < size:
                    found[row + down, column + along] = max(abs(down), abs(along)) not in {2, 4}
    return found


def _format(size: int, mask: int) -> dict[tuple[int, int], bool]:
    """Level M and the mask, twice, with a code that corrects them."""
    left = mask  # M is 00
    for _ in range(10):
        left = (left << 1) ^ ((left >> 9) * 0x537)
    told = (mask << 10 | left) ^ 0x5412
    bit = [bool(told >> at & 1) for at in range(15)]
    first = [
        *((at, 8) for at in range(6)),
        (7, 8),
        (8, 8),
        (8, 7),
        *((8, 14 - at) for at in range(9, 15)),
    ]
    second = [
        *((8, size - 1 - at) for at in range(8)),
        *((size - 15 + at, 8) for at in range(8, 15)),
    ]
    found = {place: bit[at] for places in (first, second) for at, place in enumerate(places)}
    return found | {(size - 8, 8): True}


def _version(version: int, size: int) -> dict[tuple[int, int], bool]:
    """The version, twice, with a code that corrects it."""
    left = version
    for _ in range(12):
        left = (left << 1) ^ ((left >> 11) * 0x1F25)
    told = version << 12 | left
    found: dict[tuple[int, int], bool] = {}
    for at in range(18):
        along, across = size - 11 + at % 3, at // 3
        found[along, across] = found[across, along] = bool(told >> at & 1)
    return found


def _penalty(modules: Matrix) -> int:
    """How hard a code is to read (8.8.2): the mask with the least is taken."""
    lines = [*modules, *([line[at] for line in modules] for at in range(len(modules)))]
    size = len(modules)
    squares = sum(
        3
        for row in range(size - 1)
        for column in range(size - 1)
        if len({modules[row + down][column + along] for down in (0, 1) for along in (0, 1)}) == 1
    )
    dark = sum(map(sum, modules))
    balance = 10 * (abs(dark * 20 - size * size * 10) // (size * size))
    return sum(map(_of_line, lines)) + squares + balance


_FINDERS = ("10111010000", "00001011101")


def _of_line(line: Sequence[bool]) -> int:
    text = "".join("1" if one else "0" for one in line)
    runs, length = 0, 1
    for one, other in pairwise(f"{text}-"):
        if one == other:
            length += 1
            continue
        runs += length - 2 if length >= 5 else 0  # noqa: PLR2004 - shorter ones are no harm
        length = 1
    finders = sum(text[at : at + 11] in _FINDERS for at in range(len(text) - 10))
    return runs + 40 * finders
