"""The values of custom fields: what each type takes, and the one form in which it is kept."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import pycountry

from chassis import formats
from chassis.errors import Invalid
from chassis.names import parse_name

DEFAULT_LENGTH = 500
MAX_LENGTH = 10_000
MAX_DIGITS = 38
MAX_MONEY_PLACES = 6


class FieldType(StrEnum):
    """The types of values. The names are those of `crm.common.v1.CustomFieldType`."""

    TEXT = "TEXT"
    NUMBER = "NUMBER"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    DATETIME = "DATETIME"
    CHOICE = "CHOICE"
    MULTI_CHOICE = "MULTI_CHOICE"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    URL = "URL"
    MONEY = "MONEY"
    USER = "USER"
    DEPARTMENT = "DEPARTMENT"
    REFERENCE = "REFERENCE"
    SERIAL = "SERIAL"
    FORMULA = "FORMULA"
    ROLLUP = "ROLLUP"


DERIVED = frozenset({FieldType.SERIAL, FieldType.FORMULA, FieldType.ROLLUP})
"""The types whose values nobody states: the suite derives them."""

COLLECTIONS: "Mapping[FieldType, str]" = {FieldType.USER: "users", FieldType.DEPARTMENT: "departments"}
"""What the values of the types name that name records of always the same collection."""


@dataclass(frozen=True)
class ValueRule:
    """What the values of a field must be."""

    type: FieldType
    options: tuple[str, ...] = ()
    max_length: int = DEFAULT_LENGTH
    currency: str = ""
    """For MONEY: the currency of an amount that names none."""
    collection: str = ""
    """For references: the collection of the records."""
    minimum: str = ""
    """The least value of a NUMBER, MONEY or DATE; empty for any."""
    maximum: str = ""


def normalise(rule: ValueRule, value: Any) -> Any:
    """A value, which is not blank, as it is stored: a plain JSON value.

    Dates, times and decimals may come as text or as Python objects. Raises Invalid with the reason for that type.
    """
    kept = _NORMALISERS[rule.type](rule, value)
    if rule.minimum or rule.maximum:
        _check_range(rule, kept)
    return kept


def bound(kind: FieldType, text: str) -> Any:
    """A least or greatest value in a form that compares. Raises Invalid if it is none for the type."""
    if kind is FieldType.DATE:
        return _date(ValueRule(kind), text)
    if kind in (FieldType.NUMBER, FieldType.MONEY):
        return _decimal(text)
    raise Invalid("INVALID_RANGE", "only numbers, amounts of money and dates have a least and a greatest value")


def _check_range(rule: ValueRule, kept: Any) -> None:
    shown = kept["amount"] if rule.type is FieldType.MONEY else kept
    value = bound(rule.type, shown if isinstance(shown, str) else repr(shown))
    if rule.minimum and value < bound(rule.type, rule.minimum):
        raise Invalid("OUT_OF_RANGE", f"give at least {rule.minimum}")
    if rule.maximum and value > bound(rule.type, rule.maximum):
        raise Invalid("OUT_OF_RANGE", f"give at most {rule.maximum}")


def _text(rule: ValueRule, value: Any) -> str:
    text = _string(value, "INVALID_TEXT", "give a text")
    if len(text) > rule.max_length:
        raise Invalid("TEXT_TOO_LONG", f"give at most {rule.max_length} characters")
    if "\0" in text:
        raise Invalid("INVALID_TEXT", "a text cannot hold the character NUL")
    return text


def _string(value: Any, reason: str, message: str) -> str:
    if not isinstance(value, str):
        raise Invalid(reason, message)
    return value.strip()


def _number(_: ValueRule, value: Any) -> int | float | str:
    return _as_json_number(_decimal(value))


def _decimal(value: Any) -> Decimal:
    wrong = Invalid("INVALID_NUMBER", f"give a decimal number of at most {MAX_DIGITS} digits, such as 1250.50")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise wrong
    try:
        number = Decimal(value.strip() if isinstance(value, str) else repr(value) if type(value) is float else value)
    except InvalidOperation:
        raise wrong from None
    if not number.is_finite() or len(number.as_tuple().digits) > MAX_DIGITS or abs(number.adjusted()) > MAX_DIGITS:
        raise wrong
    return number


def _as_json_number(number: Decimal) -> int | float | str:
    """The number itself if a double holds it exactly, as all readers of JSON then do; else its shortest text."""
    if number == number.to_integral_value() and abs(number) <= 2**53:
        return int(number)
    double = float(number)
    if Decimal(repr(double)) == number:
        return double
    return _plain_text(number)


def _plain_text(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_MONEY = re.compile(r"([A-Za-z]{3})?\s*([^\sA-Za-z]+)\s*([A-Za-z]{3})?")


def _money(rule: ValueRule, value: Any) -> dict[str, str]:
    """An amount as exact text, with its ISO 4217 currency."""
    currency: Any = rule.currency
    if isinstance(value, Mapping):
        if not value.keys() <= {"amount", "currency"} or value.get("amount") is None:
            raise Invalid("INVALID_MONEY", "give an amount and a currency, such as 1250.50 and CNY")
        amount, currency = value["amount"], value.get("currency") or currency
    elif isinstance(value, str) and (match := _MONEY.fullmatch(value.strip())):
        amount, currency = match[2].replace(",", ""), match[1] or match[3] or currency
    else:
        amount = value
    number = _decimal(amount)
    if number.as_tuple().exponent < -MAX_MONEY_PLACES:  # type: ignore[operator]  # it is finite
        raise Invalid("INVALID_MONEY", f"an amount has at most {MAX_MONEY_PLACES} decimal places")
    return {"amount": _plain_text(number), "currency": currency_code(currency)}


def currency_code(value: Any) -> str:
    """A currency by its ISO 4217 code. Raises Invalid INVALID_CURRENCY."""
    code = value.strip().upper() if isinstance(value, str) else ""
    if pycountry.currencies.get(alpha_3=code) is None:
        raise Invalid("INVALID_CURRENCY", "give a currency by its ISO 4217 code, such as CNY")
    return code


def _reference(rule: ValueRule, value: Any) -> str:
    collection = COLLECTIONS.get(rule.type, rule.collection)
    wrong = Invalid("INVALID_REFERENCE", f"name a record like {collection}/{{uuid}}")
    text = _string(value, wrong.reason, wrong.message)
    try:
        parse_name(collection, text)
    except Invalid:
        raise wrong from None
    return text


def _nothing(rule: ValueRule, value: Any) -> Any:
    raise Invalid("DERIVED_FIELD", "nobody states this value: it is derived")


def _boolean(_: ValueRule, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid("INVALID_BOOLEAN", "give true or false")
    return value


def _date(_: ValueRule, value: Any) -> str:
    wrong = Invalid("INVALID_DATE", "give a date such as 2026-01-31")
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    text = _string(value, wrong.reason, wrong.message)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise wrong from None
    if day.isoformat() != text:  # fromisoformat also reads week dates and dates without hyphens
        raise wrong
    return text


def _datetime(_: ValueRule, value: Any) -> str:
    wrong = Invalid("INVALID_DATETIME", "give a time with its zone such as 2026-01-31T08:00:00+08:00")
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(_string(value, wrong.reason, ""))
        if moment.tzinfo is None:
            raise wrong
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except (ValueError, OverflowError, Invalid):
        raise wrong from None


def _choice(rule: ValueRule, value: Any) -> str:
    wrong = Invalid("INVALID_CHOICE", f"choose one of {'、'.join(rule.options)}"[:500])
    text = _string(value, wrong.reason, wrong.message)
    if text not in rule.options:
        raise wrong
    return text


def _choices(rule: ValueRule, value: Any) -> list[str]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple | set | frozenset):
        raise Invalid("INVALID_CHOICE", "give a list of options")
    chosen = {_choice(rule, item) for item in given}
    return [option for option in rule.options if option in chosen]


def _formatted(form: Callable[[str], str], reason: str, message: str) -> Callable[[ValueRule, Any], str]:
    return lambda _, value: form(_string(value, reason, message))


_NORMALISERS: Mapping[FieldType, Callable[[ValueRule, Any], Any]] = {
    FieldType.TEXT: _text,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    FieldType.CHOICE: _choice,
    FieldType.MULTI_CHOICE: _choices,
    FieldType.PHONE: _formatted(formats.phone, "INVALID_PHONE", "give a phone number"),
    FieldType.EMAIL: _formatted(formats.email, "INVALID_EMAIL", "give an e-mail address"),
    FieldType.URL: _formatted(formats.url, "INVALID_URL", "give a web address"),
    FieldType.MONEY: _money,
    FieldType.USER: _reference,
    FieldType.DEPARTMENT: _reference,
    FieldType.REFERENCE: _reference,
    **dict.fromkeys(DERIVED, _nothing),
}
