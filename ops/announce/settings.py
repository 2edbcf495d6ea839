"""Who is told, in which language, by which ways: ``announce_*`` of the inventory, checked when it is loaded."""

from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from ops.logbook.model import Model

Language = Literal["de", "en"]
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+$")]
LocalPath = Annotated[str, Field(pattern=r"^(|(~?/).+)$")]
"""A path on the controller, whole or below the home folder; empty for none."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Settings(Model):
    """The ways by which news go out; without any, nobody is told.

    ``mail_to`` hears when a change that its readers may notice begins and ends. ``operators_to`` hears that, too, and what only
    operators can act on: a gate that closed, a question that waits. The other ways get everything.
    ``status_host`` is the host that shows the status page to the public, ``status_ssh`` what ssh needs to reach it beside its
    configuration.
    """

    mail_to: tuple[Address, ...] = ()
    operators_to: tuple[Address, ...] = ()
    mail_from: Address | Literal[""] = ""
    mail_host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$")] = "localhost"
    mail_port: Annotated[int, Field(ge=1, le=65535)] = 25
    webhook: str = ""
    webhook_token_file: LocalPath = ""
    file: LocalPath = ""
    status_page: LocalPath = ""
    status_host: Annotated[str, Field(pattern=r"^(|([A-Za-z_][A-Za-z0-9._-]*@)?[A-Za-z0-9:][A-Za-z0-9.:-]*)$")] = ""
    status_ssh: str = ""
    language: Literal["de", "en", "both"] = "both"
    timezone: str = "Europe/Berlin"

    @property
    def languages(self) -> tuple[Language, ...]:
        """The languages that news are written in, in their order."""
        return ("de", "en") if self.language == "both" else (self.language,)

    @field_validator("webhook")
    @classmethod
    def _is_safe(cls, address: str) -> str:
        parts = urlsplit(address)
        near = parts.scheme == "http" and parts.hostname in LOOPBACK
        if address and not (parts.hostname and (parts.scheme == "https" or near)):
            raise ValueError("must begin with https:// (http:// for this machine only)")
        if parts.username or parts.password:
            raise ValueError("must hold no password: put it into announce_webhook_token_file")
        return address

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder
            raise ValueError("is no time zone, write it like Europe/Berlin") from None

    @model_validator(mode="after")
    def _belongs_together(self) -> "Settings":
        if (self.mail_to or self.operators_to) and not self.mail_from:
            raise ValueError("announce_mail_to needs announce_mail_from")
        if "{token}" in self.webhook and not self.webhook_token_file:
            raise ValueError("{token} in announce_webhook needs announce_webhook_token_file")
        return self
