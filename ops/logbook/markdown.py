"""Markdown from text that others wrote: shown, never interpreted. Pure."""

from collections.abc import Iterable, Sequence

_MEANT = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {mark: f"\\{mark}" for mark in r"\`*_[]{}|~$"}  # each as it is seen
)


def shown(text: object) -> str:
    """Return *text* for one line of Markdown: marks and tags mean nothing, what cannot be seen shows as its code."""
    line = str(text).replace("\n", " ")
    if not line.isprintable():
        line = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in line)
    return line.translate(_MEANT)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of *rows* below *head*; cells are texts that others wrote, and escaped here."""
    lines = [head, ["---"] * len(head), *([shown(cell) or "-" for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(items: Iterable[object]) -> str:
    """Return *items* as a list, escaped."""
    return "\n".join(f"- {shown(item)}" for item in items)


def fenced(text: str) -> str:
    """Return *text* of our own as a block for a shell."""
    return f"```sh\n{text.strip()}\n```"
