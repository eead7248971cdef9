"""Why a record is found by a query. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

from chassis import search
from chassis.pinyin import spellings

from customers.model import searched_contact, searched_text


class Match(StrEnum):
    """Why a record was found. The names are those of `crm.customers.v1.SearchMatch`."""

    NAME = "NAME"
    PINYIN = "PINYIN"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    CREDIT_CODE = "CREDIT_CODE"
    IDENTITY_NUMBER = "IDENTITY_NUMBER"
    CONTACT = "CONTACT"


def reasons_of_customer(query: str, customer: Any, *, whole: bool) -> Sequence[Match]:
    """Why a customer is found, as far as the caller may know: `whole` says whether they see numbers and addresses."""
    if customer.credit_code == query.strip().upper():
        return [Match.CREDIT_CODE]
    found = _reasons(query, searched_text(customer.display_name, [], []), customer if whole else None)
    return found or [Match.IDENTITY_NUMBER if customer.identity_number_shown else Match.CONTACT]


def reasons_of_contact(query: str, contact: Any, *, whole: bool) -> Sequence[Match]:
    """The same for a contact."""
    return _reasons(query, searched_contact(contact.display_name, [], []), contact if whole else None)


def _reasons(query: str, searched: str, addressed: Any) -> Sequence[Match]:
    name, _, pinyin = searched.partition(" ")
    ways: dict[Match, Callable[[str], bool]] = {
        Match.NAME: partial(_holds, [name]),
        Match.PINYIN: partial(_spells, pinyin),
    }
    if addressed is not None:
        ways[Match.PHONE] = partial(_holds, addressed.phones)
        ways[Match.EMAIL] = partial(_holds, addressed.emails)
    words = search.words(query)
    return [match for match, holds in ways.items() if any(map(holds, words))]


def _holds(texts: Iterable[str], word: str) -> bool:
    return any(word in search.normalised(text) for text in texts)


def _spells(pinyin: str, word: str) -> bool:
    return word in pinyin or any(re.search(one.pattern, pinyin) for one in spellings(word))
