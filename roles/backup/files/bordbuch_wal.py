"""PostgreSQL's write-ahead log by positions and by the names of its files, which have 16 MB: PostgreSQL's default, and Debian's."""

import re

SEGMENT_BYTES = 16 * 1024 * 1024


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


def file_name(timeline: int, number: int) -> str:
    """Return the name of file *number* on a *timeline*."""
    return f"{timeline:08X}{number >> 8:08X}{number & 255:08X}"
