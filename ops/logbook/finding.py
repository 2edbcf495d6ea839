"""What an audit finds: one sentence about one commit and file, with the rule that it breaks."""

from typing import Literal

from ops.logbook.model import Model

Rule = Literal[
    "signature",
    "signer",
    "key",
    "clock",
    "history",
    "receipt",
    "remote",
    "clone",
    "form",
    "phase",
    "person",
    "digest",
    "approval",
    "result",
    "machine",
    "page",
]


class Finding(Model):
    """Something that must not be: *rule* groups, *what* says it; commit and path are empty where it concerns none."""

    rule: Rule
    what: str
    commit: str = ""
    path: str = ""
