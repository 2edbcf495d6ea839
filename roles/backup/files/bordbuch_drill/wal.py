"""Places in the write-ahead log, and the files that they lie in."""

import re

SEGMENT_BYTES = 16 * 1024 * 1024
"""Size of a WAL file; Debian's clusters have PostgreSQL's default."""


def position(lsn: str) -> int:
    """Return the number of the byte that PostgreSQL writes as 3/2A000148."""
    high, _, low = lsn.partition("/")
    return int(high, 16) << 32 | int(low, 16)


def as_lsn(byte: int) -> str:
    """Return a position as PostgreSQL writes it."""
    return f"{byte >> 32:X}/{byte & 0xFFFFFFFF:X}"


def segment_before(byte: int) -> int:
    """Return the number of the WAL file that holds the last byte before *byte*, which is the end of a record."""
    return max(byte - 1, 0) // SEGMENT_BYTES


def segment_number(name: str) -> int:
    """Return the number of a WAL file by its name: 8 digits of timeline, then two parts of the number.

    Raises:
        ValueError: it is no name of a WAL file.
    """
    if not re.fullmatch(r"[0-9A-F]{24}", name):
        raise ValueError(f"{name!r} is no name of a WAL file")
    return int(name[8:16], 16) * (2**32 // SEGMENT_BYTES) + int(name[16:], 16)
