"""The monthly report as a text for the blog and the board, from the figures of the month. Pure."""

from collections.abc import Iterator, Mapping

from ops.announce.figures import Figures, Point, Proof, Work
from ops.announce.reader import Reader


def report(figures: Figures, reader: Reader) -> str:
    """Return the report of a month as Markdown: done, available, safe, proven, next."""
    heading = reader.gettext("Operations in {month}").format(month=reader.month(figures.month.first))
    sections = {
        reader.gettext("What was done"): _done(figures, reader),
        reader.gettext("Availability"): _available(figures, reader),
        reader.gettext("Security"): _safe(figures, reader),
        reader.gettext("Backups"): _proven(figures.proof, reader),
        reader.gettext("What comes next"): _next(figures, reader),
    }
    parts = [f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) for title, lines in sections.items()]
    return "\n\n".join([f"# {heading}", *_unfinished(figures, reader), *parts]) + "\n"


def _unfinished(figures: Figures, reader: Reader) -> Iterator[str]:
    if not figures.month.over:
        yield reader.gettext("As of {moment}; the month goes on.").format(moment=reader.moment(figures.month.seen))


def _done(figures: Figures, reader: Reader) -> Iterator[str]:
    for entry in figures.counts:
        line = _work(entry.work, entry.done, reader)
        if entry.not_well:
            bad = reader.number(entry.not_well)
            line += reader.gettext(", {count} of them not as planned").format(count=bad)
        yield line
    if not figures.counts:
        yield reader.gettext("Nothing was changed.")


def _work(work: Work, count: int, reader: Reader) -> str:
    words: Mapping[Work, str] = {
        "patch": reader.ngettext("{count} round of updates", "{count} rounds of updates", count),
        "revert": reader.ngettext("{count} return to earlier versions", "{count} returns to earlier versions", count),
        "deploy": reader.ngettext("{count} change of settings", "{count} changes of settings", count),
        "upgrade": reader.ngettext(
            "{count} new release of LiquidFeedback", "{count} new releases of LiquidFeedback", count
        ),
        "restore": reader.ngettext("{count} restore of the database", "{count} restores of the database", count),
        "backup": reader.ngettext("{count} backup", "{count} backups", count),
        "drill": reader.ngettext("{count} restore drill", "{count} restore drills", count),
        "other": reader.ngettext("{count} piece of smaller work", "{count} pieces of smaller work", count),
    }
    return words[work]


def _available(figures: Figures, reader: Reader) -> Iterator[str]:
    if figures.page_seconds:
        yield reader.gettext("The site was closed for planned work for {span}.").format(
            span=reader.span(figures.page_seconds)
        )
    else:
        yield reader.gettext("The site was never closed for planned work.")
    open_share = 1 - figures.page_seconds / max(figures.month.seconds, figures.page_seconds, 1)
    yield reader.gettext(
        "Open for {share} of the time. Outages that no planned work caused are not in this figure."
    ).format(share=reader.percent(open_share))
    if figures.held_seconds:
        yield reader.gettext("Pages had to wait for {span}, while the database started anew.").format(
            span=reader.span(figures.held_seconds)
        )
    if figures.reboots:
        yield reader.ngettext("{count} server was started anew.", "{count} servers were started anew.", figures.reboots)


def _safe(figures: Figures, reader: Reader) -> Iterator[str]:
    yield reader.ngettext("{count} known weakness was closed.", "{count} known weaknesses were closed.", figures.closed)
    yield reader.ngettext("{count} package was renewed.", "{count} packages were renewed.", figures.packages)
    median, longest = figures.seconds_to_close_median, figures.seconds_to_close_longest
    if median is not None and longest is not None:
        yield reader.gettext("From the first plan to the installation: {median} (median), {longest} at most.").format(
            median=reader.span(median), longest=reader.span(longest)
        )
    if figures.opened_again:
        yield reader.ngettext(
            "{count} known weakness is open again, since updates were taken back.",
            "{count} known weaknesses are open again, since updates were taken back.",
            figures.opened_again,
        )


def _proven(proof: Proof | None, reader: Reader) -> Iterator[str]:
    if proof is None:
        yield reader.gettext("No restore has been proven yet.")
        return
    words = (
        reader.gettext("The last restore that was proven: a drill on {moment}.")
        if proof.kind == "drill"
        else reader.gettext("The last restore that was proven: a real one on {moment}.")
    )
    yield words.format(moment=reader.moment(proof.time))
    if proof.partial:
        yield reader.gettext("A part of it could not be looked at.")
    if proof.recovery_time_seconds is not None:
        span = reader.span(proof.recovery_time_seconds)
        yield reader.gettext("The restored database answered after {span}.").format(span=span)
    if proof.recovery_point_seconds is not None:
        span = reader.span(proof.recovery_point_seconds)
        yield reader.gettext("Entries of the last {span} would have been lost.").format(span=span)


def _next(figures: Figures, reader: Reader) -> Iterator[str]:
    lines = [
        *(
            _on(figures.hosts.get(point, ()), _point(point, count, reader), reader)
            for point, count in figures.points.items()
        ),
        *_counted(figures, reader),
    ]
    yield from lines or [reader.gettext("Nothing is open.")]


def _on(hosts: tuple[str, ...], line: str, reader: Reader) -> str:
    return line.removesuffix(".") + f" ({reader.listed([*hosts])})." if hosts else line


def _counted(figures: Figures, reader: Reader) -> Iterator[str]:
    if count := figures.approvals_owed:
        yield reader.ngettext("{count} approval is owed.", "{count} approvals are owed.", count)
    if count := figures.waiting:
        yield reader.ngettext("{count} planned change has not begun.", "{count} planned changes have not begun.", count)
    if count := figures.not_ended:
        yield reader.ngettext(
            "{count} change has begun and not ended.", "{count} changes have begun and not ended.", count
        )


def _point(point: Point, count: int, reader: Reader) -> str:
    words: Mapping[Point, str] = {
        "not-done": reader.ngettext(
            "{count} server is not as it was planned.", "{count} servers are not as they were planned.", count
        ),
        "left-out": reader.ngettext("{count} server was left out.", "{count} servers were left out.", count),
        "old-files": reader.ngettext(
            "{count} service still runs on old files.", "{count} services still run on old files.", count
        ),
        "configuration": reader.ngettext(
            "{count} configuration file is to be compared.", "{count} configuration files are to be compared.", count
        ),
        "held": reader.ngettext("{count} package is on hold.", "{count} packages are on hold.", count),
        "kept-back": reader.ngettext("{count} package is kept back.", "{count} packages are kept back.", count),
        "other": reader.ngettext("{count} other point is open.", "{count} other points are open.", count),
    }
    return words[point]
