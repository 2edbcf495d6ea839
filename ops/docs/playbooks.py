"""The page of all playbooks, made from the playbooks: what each is for, its plays, hosts and tasks in order. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

HEAD = """\
# Playbooks

<!-- made by `invoke docs` from playbooks/; do not edit -->

Each is complete by itself: `ansible-playbook -i INVENTORY playbooks/NAME` does to hosts what the command does that
starts it."""

_BRANCHES = (("block", ""), ("rescue", "if that fails: "), ("always", "in any case: "))


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where the library has it: ten times as fast."""


def load_yaml(text: str) -> Any:
    """Return what the YAML *text* holds."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506  (both loaders are safe ones)


def module_descriptions(modules: Mapping[str, str]) -> dict[str, str]:
    """Return the short description of each of *modules* (name → source of the Ansible module)."""
    return {name: _documentation(source).get("short_description", "") for name, source in modules.items()}


def render(playbooks: Mapping[str, str], modules: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        playbooks: file name → YAML.
        modules: name → source of each Ansible module of this repository.
    """
    described = module_descriptions(modules)
    sections = [_section(name, text, described) for name, text in sorted(playbooks.items())]
    own = [f"| `{name}` | {text} |" for name, text in sorted(described.items())]
    table = "\n".join(["| module | what it does |", "|---|---|", *own])
    return "\n\n".join([HEAD, *sections, f"## Modules of ours\n\nIn `playbooks/library/`.\n\n{table}"]) + "\n"


def header(text: str) -> str:
    """Return the comment at the head of the YAML *text*, without its marks."""
    lines = text.removeprefix("---\n").splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:end])


def steps(tasks: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield (name, module) of *tasks* in their order; those of a block's rescue and always say when they happen."""
    for task in tasks:
        if "block" in task:
            for branch, when in _BRANCHES:
                yield from ((f"{when}{_lower(name, when)}", module) for name, module in steps(task.get(branch, [])))
        else:
            yield task.get("name", ""), module_of(task)


def module_of(task: Mapping[str, Any]) -> str:
    """Return the module that *task* calls: the one key that is no keyword of tasks."""
    return next((key for key in task if key not in _KEYWORDS and not key.startswith("with_")), "")


_KEYWORDS = (
    *("name", "register", "when", "changed_when", "failed_when", "ignore_unreachable", "ignore_errors", "loop"),
    *("loop_control", "vars", "environment", "become", "become_user", "delegate_to", "run_once", "tags", "notify"),
    *("until", "retries", "delay", "no_log", "check_mode", "diff", "args", "async", "poll", "throttle", "listen"),
)


def _lower(name: str, when: str) -> str:
    return name[:1].lower() + name[1:] if when else name


def _section(name: str, text: str, described: Mapping[str, str]) -> str:
    plays = [_play(play, described) for play in load_yaml(text)]
    return "\n\n".join([f"## `{name}`", header(text), *plays])


def _play(play: Mapping[str, Any], described: Mapping[str, str]) -> str:
    if target := play.get("import_playbook", play.get("ansible.builtin.import_playbook")):
        return f"Runs `{target}`."
    lines = [_step(name, module, described) for name, module in _all_steps(play)]
    head = f"**{play.get('name', '')}** (hosts: `{_one_line(play.get('hosts', ''))}`)"
    return "\n".join([head, "", *(f"{number}. {line}" for number, line in enumerate(lines, 1))])


def _all_steps(play: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from steps(play.get("pre_tasks", []))
    for role in play.get("roles", []):
        yield f"Role {role if isinstance(role, str) else role.get('role', role.get('name', ''))}", ""
    yield from steps(play.get("tasks", []))
    yield from steps(play.get("post_tasks", []))


def _step(name: str, module: str, described: Mapping[str, str]) -> str:
    about = f": {described[module][:1].lower()}{described[module][1:]}" if module in described else ""
    return f"{name} (`{module}`{about})" if module else name


def _one_line(value: Any) -> str:
    return re.sub(r"\s+", " ", value if isinstance(value, str) else ", ".join(value))


def _documentation(source: str) -> dict[str, Any]:
    found = re.search(r'^DOCUMENTATION = r?"""\n(.*?)^"""', source, re.MULTILINE | re.DOTALL)
    return dict(load_yaml(found[1])) if found else {}
