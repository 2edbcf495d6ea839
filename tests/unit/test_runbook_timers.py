"""What a timer did: its page says who signed it and whether that is right, and the printed commands say the same."""

import html
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.logbook.operators import Operators
from ops.runbook.site import Job, build
from tests.unit.runbook_world import ROOT, Files, Maker, host_signature, hosts, inventory, logbook, operators

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
NOBODY = Operators(all=tuple(one for one in operators().all if one.office != "timer"))
MOVED = Operators(
    all=tuple(one.model_copy(update={"name": "app1"}) if one.office == "timer" else one for one in operators().all)
)


def maker() -> Maker:
    return Maker(hosts(3), datetime(2026, 11, 20, tzinfo=UTC), timedelta(hours=1))


def page(folder: Path, change: tuple[str, Files], people: Operators | None = None) -> str:
    """Return the page of *change*, in English."""
    book = logbook(folder / "book", [change])
    build(Job(folder / "site", ROOT, book, inventory(), people or operators(), languages=("en",), now=NOW))
    return (folder / f"site/changes/2026/11/{change[0]}.html").read_text(encoding="utf-8")


def test_a_timer_that_its_host_signed_for_is_right(tmp_path: Path) -> None:
    text = page(tmp_path, maker().timed())
    assert "a timer on backup1; nobody typed it" in text
    assert '<b class="badge good">right</b> backup1 signed the result with its own key' in text
    assert operators().all[-1].keys[0].fingerprint in text
    assert "does not prove it" not in text


@pytest.mark.parametrize(
    ("change", "people", "words"),
    [
        (maker().timed(signer=lambda text: host_signature(text, "git")), None, "it is for &#39;git&#39;"),
        (maker().timed(signer=lambda text: host_signature(text + b" ")), None, "not made of this by its key"),
        (maker().timed(signer=lambda _text: b"no signature"), None, "it has no beginning or no end"),
        (maker().timed({"outcome": "failed"}), None, "record.json has another outcome than the result"),
        (maker().timed(), NOBODY, "which is no host&#39;s key"),
        (maker().timed(), MOVED, "is signed by app1, on which it was not done"),
        (maker().backup(command="systemd timer"), None, "was done by a timer, and no host has signed it"),
    ],
)
def test_what_does_not_prove_it_is_said(
    tmp_path: Path, change: tuple[str, Files], people: Operators | None, words: str
) -> None:
    text = page(tmp_path, change, people)
    assert '<b class="badge bad">does not prove it</b>' in text
    assert words in text
    assert ">right<" not in text


def test_what_a_person_did_says_nothing_of_timers(tmp_path: Path) -> None:
    assert "Signature of the host" not in page(tmp_path, maker().backup())


def test_the_commands_on_the_pages_print_what_the_page_says(tmp_path: Path) -> None:
    change = maker().timed()
    text = page(tmp_path, change)
    subprocess.run(["git", "-C", str(tmp_path / "book"), "reset", "--quiet", "--hard"], check=True)
    told = (tmp_path / "site/verify.html").read_text(encoding="utf-8").partition("8. What timers did")[2]
    script, printed = (html.unescape(one) for one in re.findall(r"<code>(.*?)</code></pre>", told, re.DOTALL)[:2])
    *first, record, result = shell(tmp_path / "book", script)
    assert first == [printed]
    assert record == result
    own = html.unescape(text).partition("# the host signed")[2].partition("</code>")[0].partition("\n")[2]
    assert shell(tmp_path / "book", own) == [printed]


def shell(folder: Path, script: str) -> list[str]:
    done = subprocess.run(["bash", "-e", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_without_a_host_that_signs_there_is_nothing_to_verify(tmp_path: Path) -> None:
    page(tmp_path, maker().backup(), NOBODY)
    assert "timers" not in (tmp_path / "site/verify.html").read_text(encoding="utf-8")
