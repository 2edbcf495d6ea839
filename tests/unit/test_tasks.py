"""What holds for every command, whoever adds it: it explains itself, its example can be typed."""

import ast
import inspect
import re
import shlex
import textwrap
from pathlib import Path

import pytest
from invoke import Context, Exit
from invoke.config import Config
from invoke.parser import Parser, ParserContext
from invoke.program import Program

from ops import errors
from ops.docs.tasks import Command, example, pages_about, summary
from ops.tasks.command import command as as_command
from ops.tasks.docs import all_tasks, commands, texts

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = all_tasks()
COMMANDS = commands(NAMESPACE)
HOWTOS = texts(ROOT / "docs" / "howto", "*.md")
LONGEST_BODY = 12

every_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


def run(*argv: str) -> int:
    """Run the real program with *argv* in this process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        Program(namespace=NAMESPACE, binary="invoke").run(["invoke", *argv])
    return int(ended.value.code or 0)


def required(command: Command) -> list[str]:
    return ["x" for parameter in command.parameters if parameter.positional and not parameter.default]


@every_command
def test_a_command_says_in_a_sentence_what_it_does(command: Command) -> None:
    assert re.match(r"[A-Z].*\.$", summary(command)), f"no sentence: {summary(command)!r}"


@every_command
def test_a_command_explains_every_parameter(command: Command) -> None:
    assert [parameter.flags for parameter in command.parameters if not parameter.help] == []


@every_command
def test_the_example_of_a_command_can_be_typed(command: Command) -> None:
    words = shlex.split(example(command))
    assert words, "the docstring has no line `Example: invoke …`"
    assert words[0] == "invoke"
    parsed = Parser(contexts=NAMESPACE.to_contexts(), initial=ParserContext()).parse_argv(words[1:])
    assert [context.name for context in parsed[1:]] == [command.names[0]]


@every_command
def test_a_how_to_page_shows_the_command(command: Command) -> None:
    assert pages_about(command, HOWTOS), f"no page in docs/howto shows `invoke {command.name}`"


@every_command
def test_dry_is_refused(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--dry", command.name, *required(command)) == errors.BadInput.exit_code
    assert "use patch.plan" in capsys.readouterr().err


@every_command
def test_an_unknown_flag_is_bad_usage(command: Command) -> None:
    assert run(command.name, *required(command), "--no-such-flag") == errors.BadInput.exit_code


@every_command
def test_a_task_is_thin(command: Command) -> None:
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(NAMESPACE[command.names[0]].body)))
    body = ast.parse(source).body[0].body[1:]  # type: ignore[attr-defined]  # a function, after its docstring
    assert body[-1].end_lineno - body[0].lineno + 1 <= LONGEST_BODY if body else True


def test_an_unknown_command_is_bad_usage() -> None:
    assert run("no.such.command") == errors.BadInput.exit_code


def test_tasks_in_a_row_run_each_time() -> None:
    assert NAMESPACE.configuration()["tasks"]["dedupe"] is False


@pytest.mark.parametrize("kind", [errors.Failed, errors.BadInput, errors.Waiting, errors.Refused])
def test_a_fault_becomes_its_exit_code(kind: type[errors.OpsError]) -> None:
    @as_command()
    def faulty(_c: Context) -> None:
        raise kind("it happened", host="app1", left="all", next_step="look")

    with pytest.raises(Exit) as ended:
        faulty(Context(Config()))
    assert ended.value.code == kind.exit_code


def test_exit_codes_are_documented_once_and_as_they_are() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Exit codes\n")[2].partition("\n## ")[0]
    documented = [int(code) for code in re.findall(r"^\| (\d) \|", section, re.MULTILINE)]
    real = {kind.exit_code for kind in (errors.Failed, errors.BadInput, errors.Waiting, errors.Refused)}
    assert documented == sorted({0} | real)
    others = [path for path in ROOT.glob("docs/**/*.md") if re.search(r"^\| [0-4] \|", path.read_text(), re.MULTILINE)]
    assert others == [], "exit codes have one table, in the README"
