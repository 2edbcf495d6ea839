"""Translations: message files (gettext ``.po``) that lie beside the code, compiled in memory when they are read."""

import functools
import gettext
import io
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from ops.errors import BadInput

SOURCE = "en"
"""The language that the code is written in: it needs no message file."""


@functools.cache
def translator(lang: str, folder: Path, name: str = "messages") -> gettext.NullTranslations:
    """Return what translates into *lang* by ``LANG/LC_MESSAGES/NAME.po`` below *folder*.

    Raises:
        BadInput: there is no such file, or it cannot be read.
    """
    path = folder / lang / "LC_MESSAGES" / f"{name}.po"
    if lang == SOURCE and not path.exists():
        return gettext.NullTranslations()
    try:
        with path.open("rb") as file:
            catalog = read_po(file, locale=lang, abort_invalid=True)
    except FileNotFoundError:
        known = sorted({SOURCE, *(entry.name for entry in folder.iterdir() if entry.is_dir())})
        raise BadInput(f"there are no words in the language {lang!r}", next_step=f"use {' or '.join(known)}") from None
    except PoFileError as error:
        raise BadInput(f"the message file of the language {lang!r} cannot be read: {error}") from None
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
