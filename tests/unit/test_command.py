"""Every fault of a command is a sentence on standard error and an exit code, and standard output stays clean."""

import json
from collections.abc import Callable

import pytest
from invoke import Collection, Config, Context, Program, Task
from pydantic import BaseModel

from ops import terminal
from ops.errors import BadInput, Failed, Refused, Waiting
from ops.tasks.command import command, let_usage_errors_exit_2


def run(body: Callable[..., None], *words: str) -> int:
    """Run *body* as the task `it` of a program and return the exit code."""
    made: Task[Callable[..., None]] = command(name="it")(body)
    try:
        Program(namespace=Collection(made), version="1").run(["program", *words])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize(("kind", "code"), [(Failed, 1), (BadInput, 2), (Waiting, 3), (Refused, 4)])
def test_each_kind_of_fault_has_its_exit_code(
    kind: type[Failed], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(c: Context) -> None:
        raise kind("it broke", host="db1", left="the rest", next_step="mend it")

    assert run(body, "it") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"{kind.__name__}: db1: it broke.\nLeft as it was: the rest.\nNext: mend it\n"


def test_input_that_is_not_valid_is_told_by_field_and_without_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    class Settings(BaseModel):
        ports: list[int]

    def body(c: Context) -> None:
        Settings.model_validate({"ports": [1, "secret"]})

    assert run(body, "it") == 2
    err = capsys.readouterr().err
    assert "ports.1" in err
    assert "secret" not in err
    assert "Traceback" not in err


def test_the_keyboard_stops_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def body(c: Context) -> None:
        raise KeyboardInterrupt

    assert run(body, "it") == 1
    assert capsys.readouterr().err.startswith("Stopped from the keyboard.")


def test_dry_is_refused_before_anything_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    def body(c: Context) -> None:
        pytest.fail("it was done")

    assert run(body, "--dry", "it") == 2
    assert "use patch.plan" in capsys.readouterr().err


def test_bad_usage_exits_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def body(c: Context) -> None:
        pytest.fail("it was done")

    monkeypatch.setattr(Program, "parse_tasks", Program.parse_tasks)
    let_usage_errors_exit_2()
    assert run(body, "nothing-like-that") == 2
    assert run(body, "it", "--unknown") == 2


def test_words_and_help_are_those_of_the_function() -> None:
    def body(c: Context, limit: str = "") -> None:
        """Do it."""

    made: Task[Callable[..., None]] = command(help={"limit": "which hosts"})(body)
    assert made.__doc__ == "Do it."
    assert [argument.name for argument in made.get_arguments()] == ["limit"]
    made(Context(Config()), limit="db1")


def test_without_a_terminal_a_question_waits_for_a_person() -> None:
    with pytest.raises(Waiting, match="no terminal"):
        terminal.ask_number("How many?", 3)


def test_json_has_standard_output_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.quiet(True)
    try:
        terminal.say("a sentence")
        terminal.table("Hosts", ["Host"], [["db1"]])
        terminal.data({"hosts": ["db1"], "reason": "Größe"})
    finally:
        terminal.quiet(False)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"hosts": ["db1"], "reason": "Größe"}
    assert "a sentence" in err
    assert "db1" in err


def test_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(
        "[red]1.2[/red] and a line that is much longer than eighty columns, as reasons and paths often are, so"
    )
    terminal.table("Plan", ["Package", "To"], [["libc6[x]", "2.36-9+deb12u14" * 8]])
    out = capsys.readouterr().out
    assert "[red]1.2[/red]" in out
    assert out.count("\n") == 4
    assert "libc6[x]" in out


def test_a_short_step_says_nothing_and_a_long_one_its_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal.progress("Short"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(terminal, "_SHORT", 0.0)
    with terminal.progress("Long") as step:
        step.update("1 of 2")
    with pytest.raises(Failed), terminal.progress("Broken"):
        raise Failed("no")
    err = capsys.readouterr().err
    assert "Long: done, 0 s\n" in err
    assert "Broken: not finished, 0 s\n" in err
