"""What the errors of pgBackRest mean, and how they are told."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.pgbackrest_says import seam


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (
            "ERROR: [029]: raised from local-1 protocol: zst error: [-20] Data corruption detected\n"
            "       [FormatError] on retry after 0ms\n       [FormatError] on retry after 15000ms\n",
            "A file of the backup is damaged in the repository: [029]",
        ),
        (
            "WARN: unknown user 'postgres' in backup manifest mapped to current user\n"
            "ERROR: [026]: error restoring '/x/base/5/2838': actual checksum 'a' does not match expected checksum 'b'",
            "A file of the backup is damaged in the repository: [026]",
        ),
        ("ERROR: [095]: raised from local-1 protocol: unable to flush", "A file of the backup is damaged"),
        (
            "ERROR: [055]: unable to open missing file '/r/2838.zst' for read",
            "A file of the backup is missing in the rep",
        ),
        (
            "ERROR: [041]: unable to open file '/r/x' for read: [13] Permission denied",
            "This account may not read a file",
        ),
        ("ERROR: [064]: unable to write '/w/x': [28] No space left on device", "There is no room left"),
        (
            "ERROR: [040]: unable to restore to path '/w/data' because it contains files",
            "pgBackRest did not restore: [040]",
        ),
        ("", "pgBackRest did not restore: it said nothing"),
    ],
)
def test_what_an_error_of_a_restore_means(text: str, meaning: str) -> None:
    assert seam.explain(text).startswith(meaning)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("P00   INFO: x\nP00  ERROR: [075]: no such time\nP00  ERROR: [001]: second", "[075]: no such time"),
        ("", "pgBackRest ended with 82"),
        ("nothing of an error", "nothing of an error"),
        ("ERROR: [041]: " + "x" * 500, "[041]: " + "x" * 393),
        ("ERROR: [095]: CryptoError", "the passphrase does not open the repository ([095]: CryptoError)"),
        ("ERROR: [029]: zst error [FormatError]", "[029]: zst error [FormatError]"),
        ("ERROR: [031]: no cipher", "the passphrase does not open the repository ([031]: no cipher)"),
    ],
)
def test_a_complaint_is_what_it_said(said: str, words: str) -> None:
    assert seam.complaint(subprocess.CompletedProcess([], 82, "", said)) == words
    assert seam.complaint(subprocess.CompletedProcess([], 82, said, "")) == words


def test_it_is_quoted_with_its_first_error() -> None:
    said = """2026-11-25 23:00:00.123 P00   WARN: it is slow
2026-11-25 23:00:00.124 P01  ERROR: [056]: unable to find primary cluster
                                    where it was
                                    HINT: are all clusters running?
2026-11-25 23:00:00.125 P00  ERROR: [001]: second"""
    assert seam.own_words(said) == "[056]: unable to find primary cluster where it was"
    assert (seam.own_words("\n  something else\nmore"), seam.own_words("")) == ("something else", "")


def test_an_error_is_told_without_its_time_tries_and_hints() -> None:
    text = (
        "2026-11-28 01:02:03.456 P00   INFO: restore command begin 2.55\n"
        "2026-11-28 01:02:03.457 P00  ERROR: [055]: raised from local-1 protocol: unable to open\n"
        "                                    missing file [FileMissingError] on retry after 0ms\n"
        "                                    [FileMissingError] on retry after 15000ms [FileMissingError]\n"
        "                                    HINT: has a stanza-create been performed?\n"
    )
    assert seam.own_words(text).startswith("[055]: raised from local-1 protocol: unable to open missing file")
    assert seam.own_words(text).endswith("missing file [FileMissingError]")
    assert "2026" not in seam.own_words(text)


@given(st.text(max_size=600))
def test_what_is_told_is_one_short_printable_line(text: str) -> None:
    said = seam.own_words(f"ERROR: [029]: {text}")
    assert said.isprintable()
    assert len(said) <= seam.LONGEST
