"""Canonical JSON, so that equal content has equal bytes and one SHA-256.

The form is that of ``jq -cjS .``: keys sorted, no blanks, UTF-8 unescaped. Numbers are integers throughout, since
programs disagree about the text of fractions.
"""

import hashlib
import json
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Any) -> bytes:
    """Return *value* (of dicts, lists, strings, integers, booleans, None) as canonical JSON in UTF-8.

    Raises:
        TypeError: it holds a float or an object that JSON does not know.
    """
    _refuse_floats(value)
    return _ENCODER.encode(value).encode()


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of *value*, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def is_canonical(text: bytes) -> bool:
    """Return whether *text* is what ``canonical`` gives for its own content."""
    try:
        return _ENCODER.encode(_DECODER.decode(text.decode())).encode() == text
    except (ValueError, RecursionError):
        return False


def _no_number(text: str) -> None:
    raise ValueError(f"{text}: canonical JSON holds integers only")


_DECODER = json.JSONDecoder(parse_float=_no_number, parse_constant=_no_number)


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"{value!r}: canonical JSON holds integers only")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    for child in children:
        _refuse_floats(child)
