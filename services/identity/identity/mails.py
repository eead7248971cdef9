"""The texts of mails, in the language of whoever gets them. Each is a file: the subject, an empty line, the text."""

from functools import cache
from importlib.resources import files
from string import Template

import orjson
from chassis import mail
from chassis.db import ServiceSession

from identity.model import LOCALES, AccountToken, User

_FOLDER = files("identity").joinpath("mail_texts")


def send(session: ServiceSession, user: User, text: str, *, token: AccountToken | None = None, **values: str) -> bool:
    """Send a user a mail in their language, once the transaction is committed. False for somebody without an address.

    With a token it is given up when that expires.
    """
    if user.email is None:
        return False
    subject, body = _templates(text, user.locale if user.locale in LOCALES else LOCALES[0])
    filled = {"name": user.display_name, "username": user.username, **values}
    expire_time = token.expire_time if token else None
    line = "".join(letter for letter in subject.substitute(filled) if letter.isprintable())[: mail.SUBJECT_LENGTH]
    mail.send(session, user.email, line, body.substitute(filled), expire_time=expire_time)
    return True


def notification_title(kind: str, locale: str) -> str:
    """What a notification of a kind is about, in a language."""
    titles = _titles()[locale if locale in LOCALES else LOCALES[0]]
    return titles.get(kind) or titles[""]


@cache
def _titles() -> dict[str, dict[str, str]]:
    titles: dict[str, dict[str, str]] = orjson.loads(_FOLDER.joinpath("notification_titles.json").read_bytes())
    return titles


@cache
def _templates(text: str, locale: str) -> tuple[Template, Template]:
    written = _FOLDER.joinpath(f"{text}.{locale}.txt").read_text("utf-8")
    subject, _, body = written.partition("\n\n")
    return Template(subject.strip()), Template(body)
