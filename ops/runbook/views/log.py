"""The change log: by month, to search, and as CSV and JSON. Pure."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pydantic_core import to_json

from ops.runbook.render import Page
from ops.runbook.summary import Summary

ROWS = 300
"""Changes on one page: a month that has more goes on to another page."""

COLUMNS = (
    *(
        "id",
        "kind",
        "category",
        "outcome",
        "reason",
        "ticket",
        "requester",
        "operator",
        "approver",
        "asked",
        "begun",
        "ended",
    ),
    *("hosts", "packages", "advisories", "follow_up", "links"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def by_month(summaries: Sequence[Summary]) -> dict[str, list[Summary]]:
    """Return the changes by month, the newest first."""
    found: dict[str, list[Summary]] = {}
    for one in reversed(summaries):
        found.setdefault(one.month, []).append(one)
    return found


def month_path(month: str, number: int = 1) -> str:
    """Return where the page of *month* is."""
    return f"changes/{month[:4]}/{month[5:7]}/index{f'-{number}' if number > 1 else ''}.html"


def month_pages(month: str, changes: Sequence[Summary], neighbours: tuple[str, str]) -> Iterator[Page]:
    """Yield the pages of *month*, whose *changes* are the newest first; *neighbours* are the months before and after, or empty."""
    parts = [changes[start : start + ROWS] for start in range(0, len(changes), ROWS)]
    before, after = (month_path(other) if other else "" for other in neighbours)
    paths = [month_path(month, number) for number in range(1, len(parts) + 1)]
    for path, part in zip(paths, parts, strict=True):
        data = {"of": month, "changes": part, "parts": paths, "before": before, "after": after, "total": len(changes)}
        yield Page(path, "month.html", data)


def log_page(months: Mapping[str, Sequence[Summary]]) -> Page:
    """Return the page of all months, with the search over all changes."""
    counts = [
        (month, month_path(month), len(changes), _count(changes, "verified"), _bad(changes))
        for month, changes in months.items()
    ]
    years = sorted({month[:4] for month in months}, reverse=True)
    return Page(
        "changes/index.html",
        "log.html",
        {"months": counts, "years": years, "newest": next(iter(months.values()), [])[:10]},
    )


def _count(changes: Sequence[Summary], outcome: str) -> int:
    return sum(one.outcome == outcome for one in changes)


def _bad(changes: Sequence[Summary]) -> int:
    return sum(one.outcome in ("failed", "interrupted", "aborted") for one in changes)


def as_csv(changes: Sequence[Summary]) -> str:
    """Return *changes* as CSV; what a spreadsheet would calculate is marked as text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in _values(one)] for one in changes)
    return out.getvalue()


def _values(one: Summary) -> tuple[object, ...]:
    links = [f"{relation} {other}" for relation, other in sorted(one.links.items())]
    lists = (one.hosts, one.packages, one.advisories, one.follow_up, links)
    times = (_time(one.asked), _time(one.begun), _time(one.ended))
    texts = (
        one.id,
        one.kind,
        one.category,
        one.outcome or one.state,
        one.reason,
        one.ticket,
        one.requester,
        one.operator,
    )
    return (*texts, one.approver, *times, *("; ".join(values) for values in lists))


def _cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _time(time: datetime | None) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else ""


def as_json(changes: Sequence[Summary]) -> str:
    """Return *changes* as JSON, a list of objects with the columns of the CSV."""
    listed = ("hosts", "packages", "advisories", "follow_up")
    found = []
    for one in changes:
        row = dict(zip(COLUMNS, _values(one), strict=True))
        found.append({**row, **{name: list(getattr(one, name)) for name in listed}, "links": one.links})
    return to_json(found, indent=1).decode() + "\n"


def search_index(year: str, changes: Sequence[Summary]) -> str:
    """Return the script that gives the page of the change log what it searches in: the *changes* of *year*, as data."""
    rows = [
        [
            *(one.id, one.outcome or one.state, one.kind, one.reason, one.requester, one.operator, one.approver),
            *(" ".join(one.hosts), " ".join(one.packages), " ".join(one.advisories)),
        ]
        for one in reversed(changes)
    ]
    data = json.dumps(rows, separators=(",", ":")).replace("<", "\\u003c")
    return f'bordbuch.add("{year}", {data});\n'
