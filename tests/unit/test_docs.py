"""The documentation is true: generated pages are up to date, links lead somewhere, every command shown can be typed."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke.exceptions import ParseError
from invoke.parser import Parser, ParserContext
from invoke.program import Program

from ops.docs import playbooks, site, tasks
from ops.docs.tasks import Command, Parameter
from ops.tasks.docs import all_tasks, pages

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = all_tasks()
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("roles/*/README.md")})
GENERATED = pages(ROOT)
NOT_KEPT = {ROOT / "docs" / "generated" / "changes.md"}
"""Made on each machine from its own logbook."""

PLACEHOLDERS = {"TASK": "patch", "COMMAND": "patch"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: str(path.relative_to(ROOT)))
def test_generated_pages_are_up_to_date(path: Path) -> None:
    assert path.exists(), "run: invoke docs"
    assert path.read_text(encoding="utf-8") == GENERATED[path], "run: invoke docs"


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    assert [target for target in links(page.read_text(encoding="utf-8")) if not leads_somewhere(page, target)] == []


@every_page
def test_commands_on_a_page_can_be_typed(page: Path) -> None:
    complaints = {line: complaint(line) for line in command_lines(page.read_text(encoding="utf-8"))}
    assert {line: words for line, words in complaints.items() if words} == {}


@every_page
def test_pages_are_calm(page: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`]*`|<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert re.findall(r".*\w!(?:\s|$)", prose) == []


def test_every_role_has_a_readme_and_the_index_names_it() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    paths = [path.relative_to(ROOT) / "README.md" for path in ROOT.glob("roles/*")]
    assert [str(path) for path in paths if not (ROOT / path).exists() or f"../{path}" not in index] == []


def test_the_index_names_every_how_to() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in ROOT.glob("docs/howto/*.md") if f"howto/{path.name}" not in index]
    assert missing == []


def links(text: str) -> list[str]:
    """Return the targets of links that stay in this repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, fragment = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    return file in NOT_KEPT or (file.exists() and (not fragment or fragment in anchors(file)))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {tasks.anchor(heading) for heading in headings}


def command_lines(text: str) -> Iterator[str]:
    """Yield what a reader would type: lines of code blocks, and code within a line, that call invoke."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.strip().partition("  #")[0] for block in blocks for line in block.splitlines()]
    inline = re.findall(
        r"`([^`\n]+)`", re.sub(r"```.*?```|<!-- transcript -->.*?<!-- /transcript -->", "", text, flags=re.DOTALL)
    )
    for line in [*lines, *inline]:
        command = re.sub(r"^(?:sudo |[A-Z_]+=\S+ )+", "", line.strip())
        if re.match(r"(?:\./inv|invoke) \S", command):
            yield command


def complaint(line: str) -> str:
    """Return what Invoke says against the command *line*, empty if it can be typed."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(line)[1:] if word != "--help"]
    if len(words) == 1 and words[0] in known_names():
        return ""  # a mention, not a call
    core = ParserContext(args=Program().core_args() + Program().task_args())
    try:
        Parser(contexts=NAMESPACE.to_contexts(), initial=core).parse_argv(words)
    except ParseError as error:
        return str(error)
    return ""


def known_names() -> set[str]:
    return {name for primary, aliases in NAMESPACE.task_names.items() for name in (primary, *aliases)}


def test_a_command_page_shows_names_defaults_and_how_tos() -> None:
    parameters = (Parameter(("HOST",), "", "a host", positional=True), Parameter(("--limit",), "all", "a | b"))
    command = Command(("lab.ssh", "ssh"), "Open a shell.\n\nExample: invoke ssh app1", parameters)
    text = tasks.render(
        [command], {"use.md": "# Use it\n\n`./inv lab.ssh app1`", "other.md": "invoke ssh.other, lab.ssh"}
    )
    assert "## `ssh`\n\nOpen a shell.\n\n    invoke ssh app1" in text
    assert "| `HOST` | required | a host |" in text
    assert "| `--limit` | `all` | a \\| b |" in text
    assert "How to: [use](../howto/use.md)\n" in text


def test_a_playbook_page_shows_the_procedure_in_order() -> None:
    text = """\
---
# What it is for,
# in two lines.

- name: First play
  hosts: [app1, db1]
  tasks:
    - name: Try
      block:
        - name: Act
          act_now:
      rescue:
        - name: Say so
          ansible.builtin.fail:
      always:
        - name: Tidy
          ansible.builtin.command: {argv: [tidy]}
- name: Second
  ansible.builtin.import_playbook: other.yml
"""
    module = 'DOCUMENTATION = r"""\nmodule: act_now\nshort_description: Act at once\n"""\n'
    page = playbooks.render({"x.yml": text}, {"act_now": module})
    assert "## `x.yml`\n\nWhat it is for,\nin two lines.\n\n**First play** (hosts: `app1, db1`)" in page
    assert "1. Act (`act_now`: act at once)\n2. if that fails: say so" in page
    assert "3. in any case: tidy (`ansible.builtin.command`)" in page
    assert "Runs `other.yml`." in page


def test_the_drawing_shows_who_may_reach_whom() -> None:
    rule = {"name": "db", "port": "5432", "from": ["192.0.2.1", "192.0.2.2", "198.51.100.0/24"]}
    hosts = {
        "app1": {
            "in_groups": ["application"],
            "site_address": "192.0.2.1",
            "firewall_rules": [{"name": "web", "port": 443}],
        },
        "db1": {
            "in_groups": ["database"],
            "site_address": "192.0.2.2",
            "firewall_rules": [rule],
            "mail_relay_host": "app1",
        },
    }
    page = site.render(hosts, "- {hosts: all, roles: [base, {role: ca, when: a | default(b)}]}")
    arrows = [line.strip() for line in page.splitlines() if ">|" in line]
    assert arrows == [
        'members -->|"web 443"| app1',
        'app1 -->|"db 5432"| db1',
        '198.51.100.0/24 -->|"db 5432"| db1',
        'db1 -.->|"mail"| app1',
    ]
    assert "| `all` | [ca](../../roles/ca/README.md) | `a \\| default(b)` |" in page
