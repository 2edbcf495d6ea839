"""Pages from records, for people: one change as Markdown, and the index of changes. Pure.

A page is a function of the change's files as they are when it is added. Whoever changes what comes out raises
``VERSION``: pages of an earlier one stay what they are, and the audit compares those of its own version only.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ops.logbook import words
from ops.logbook.files import ChangeFiles, change_folder
from ops.logbook.markdown import bullets, fenced, shown, table
from ops.logbook.model import Approval, HostResult, PackageResult, Plan, Record

VERSION = "<!-- bordbuch/page/2 -->"


def render_change(files: ChangeFiles) -> str:
    """Return the page of one change, ended or not: why, who, what where, what is still open, how to verify it."""
    sections = [
        f"# {files.id}\n\n{VERSION}",
        table(["", ""], _facts(files)),
        *_changed(files),
        *_waves(files),
        *_section("Left out", _excluded(files.plan)),
        *_section("Still open", bullets(files.record.follow_up) if files.record else ""),
        *_section("How long", _durations(files.record)),
        *_section("Verify it without us", _verify(files)),
    ]
    return "\n\n".join(sections) + "\n"


def render_index(changes: Iterable[ChangeFiles]) -> str:
    """Return the index of *changes*, the newest first."""
    rows = [_index_row(files) for files in sorted(changes, key=lambda files: files.id, reverse=True)]
    head = ["Change", "Kind", "Category", "Outcome", "Why", "Hosts", "Packages", "Asked by", "Allowed by", "Took"]
    lines = [table(head, rows)] if rows else ["None yet."]
    return "\n\n".join(["# Changes", *lines]) + "\n"


def _index_row(files: ChangeFiles) -> list[object]:
    record, request = files.record, files.plan.request if files.plan else None
    about = record or request
    packages = [package for _, result in _hosts(record) for package in result.packages if package.came]
    return [
        files.id,
        about.kind if about else "",
        about.category if about else "",
        _outcome(files),
        about.reason if about else "",
        ", ".join(sorted(record.hosts))
        if record
        else ", ".join(sorted(files.plan.actions.hosts))
        if files.plan
        else "",
        len({(package.name, package.to_version) for package in packages}) if record else "",
        about.requester if about else files.starts[0].operator if files.starts else "",
        files.approval.by if files.approval and files.approval.verdict == "approved" else "",
        span((record.ended - record.started).total_seconds()) if record else "",
    ]


def _facts(files: ChangeFiles) -> Iterator[tuple[str, object]]:
    record, request = files.record, files.plan.request if files.plan else None
    about = record or request
    yield "Outcome", _outcome(files)
    if record and record.detail:
        yield "In detail", record.detail
    asked = request.time if request else record.started if record else None
    if about and asked:
        yield "Why", about.reason
        yield "Kind", f"{about.kind}, {about.category}"
        yield (
            "Asked by",
            f"{about.requester} on {about.controller}, {moment(asked)}",
        )
    if request and request.ticket:
        yield "Ticket", request.ticket
    yield "Allowed by", _allowed(files.approval, record)
    for start in files.starts:
        yield f"Run {start.run}", f"{start.operator} on {start.controller}, {moment(start.time)}: {start.command}"
    if record:
        yield "Ended", f"{moment(record.ended)}, recorded by {record.operator}"
    yield from _provenance(files)


def _provenance(files: ChangeFiles) -> Iterator[tuple[str, object]]:
    if plan := files.plan:
        request, dirty = plan.request, ", with changes that are not committed" if plan.request.repository_dirty else ""
        yield "What was approved (digest)", plan.digest
        yield "Procedures", f"commit {request.repository_commit or 'not known'}{dirty}"
        yield "Inventory", f"{request.inventory}, {request.inventory_digest}"
        yield "Tools", ", ".join(f"{name} {version}" for name, version in sorted(request.tools.items()))
    for relation, other in sorted(files.record.links.items()) if files.record else ():
        yield relation.capitalize(), other


def _allowed(approval: Approval | None, record: Record | None) -> str:
    if approval is None:
        owed = record.approval_owed_until if record else None
        return f"nobody yet; owed until {moment(owed)}" if owed else "nobody"
    how = "by the policy, question answered" if approval.basis == "policy" else approval.verdict
    return f"{approval.by}, {how}, {moment(approval.time)}: {approval.reason}"


def _outcome(files: ChangeFiles) -> str:
    if files.record is None:
        return words.OPEN[files.state]
    left_out = len(files.plan.excluded) if files.plan else 0
    return words.OUTCOME[files.record.outcome] + (words.LEFT_OUT.format(count=left_out) if left_out else "")


def _changed(files: ChangeFiles) -> Iterator[str]:
    rows = [_package_row(host, package) for host, result in _hosts(files.record) for package in result.packages]
    closes = "Opens again" if files.record and files.record.kind == "revert" else "Closes"
    if rows:
        yield "## What changed\n\n" + table(["Host", "Package", "From", "To", "Now", closes], rows)
    elif files.plan and not files.record:
        planned = [
            (
                host,
                f"{package.name}:{package.architecture}",
                package.from_version or "new",
                package.to_version or "goes",
            )
            for host, actions in sorted(files.plan.actions.hosts.items())
            for package in actions.packages
        ]
        yield "## What is planned\n\n" + table(["Host", "Package", "From", "To"], planned)


def _package_row(host: str, package: PackageResult) -> list[object]:
    name, state = f"{package.name}:{package.architecture}", words.PACKAGE[package.state]
    return [
        host,
        name,
        package.from_version or "new",
        package.to_version or "goes",
        state,
        ", ".join(package.advisories),
    ]


def _waves(files: ChangeFiles) -> Iterator[str]:
    record = files.record
    if record is None or not record.hosts:
        return
    named = [host for wave in record.waves for host in wave]
    others = tuple(host for host in sorted(record.hosts) if host not in named)
    yield "## Wave by wave"
    for number, wave in enumerate([*record.waves, *([others] if others else [])], start=1):
        title = (
            "Others"
            if wave == others
            else f"Wave {number}{' (canary)' if number == 1 and len(record.waves) > 1 else ''}"
        )
        yield f"### {title}\n\n" + "\n".join(_host(host, record.hosts[host]) for host in wave if host in record.hosts)


def _host(host: str, result: HostResult) -> str:
    lines = [f"- {shown(host)}: {words.HOST[result.state]}{f', {shown(result.reason)}' if result.reason else ''}"]
    lines += [
        f"    - {'passed' if check.passed else '**closed the gate**'}: {_check(check.name, check.detail)}"
        for check in result.checks
    ]
    lines += [f"    - {label}: {shown(', '.join(values))}" for label, values in _lists(result) if values]
    if result.boot_before != result.boot_after:
        lines.append(f"    - booted anew: {shown(result.boot_before)} to {shown(result.boot_after)}")
    if result.kernel_before or result.kernel_after:
        lines.append(f"    - kernel: {shown(result.kernel_before)} before, {shown(result.kernel_after)} after")
    return "\n".join(lines)


def _check(name: str, detail: str) -> str:
    return f"{shown(name)}{f', {shown(detail)}' if detail else ''}"


def _lists(result: HostResult) -> list[tuple[str, tuple[str, ...]]]:
    return [
        ("restarted", result.restarted),
        ("still on old files", result.still_on_old_files),
        ("own configuration kept beside the packaged one", result.configuration_files_left),
    ]


def _excluded(plan: Plan | None) -> str:
    return table(["Host", "Why"], sorted(plan.excluded.items())) if plan and plan.excluded else ""


def _durations(record: Record | None) -> str:
    if record is None:
        return ""
    phases = [(words.SECONDS.get(name, name), span(seconds)) for name, seconds in record.seconds.items()]
    return table(
        ["Phase", "Time"], [*phases, ("from request to record", span((record.ended - record.started).total_seconds()))]
    )


def _verify(files: ChangeFiles) -> str:
    folder = change_folder(files.id)
    return fenced((words.VERIFY.strip() + (words.DIGEST if files.plan else "")).format(folder=folder))


def _section(title: str, body: str) -> Iterator[str]:
    if body:
        yield f"## {title}\n\n{body}"


def _hosts(record: Record | None) -> list[tuple[str, HostResult]]:
    return sorted(record.hosts.items()) if record else []


def moment(time: datetime) -> str:
    """Return *time* as a person reads it."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """Return a length of *seconds* as a person reads it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
