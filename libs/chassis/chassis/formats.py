"""The one way in which phone numbers, e-mail and web addresses are kept and names compared, however they were typed."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from urllib.parse import urlsplit, urlunsplit

import phonenumbers

from chassis.errors import Invalid

MAX_PHONE = 60
MAX_EMAIL = 254
MAX_LOCAL_PART = 64
MAX_URL = 2048

_SEPARATORS = re.compile(r"[\s\-‐-―−().\[\]/·]+")
_EXTENSION = re.compile(r"\s*(?:转|轉|分机|;ext=|ext\.?|x|#)\s*:?\s*(\d{1,6})\s*$", re.IGNORECASE)
_HYPHENED_EXTENSION = re.compile(r"((?:\+86|0086|\(?0|[48]00)[\d\s()\-]*\d{7,8})\s*-\s*(\d{1,6})", re.ASCII)
"""`021-68880000-801`, the way Chinese switchboards are written. Elsewhere the last group is part of the number."""
_CHINESE = re.compile(r"(?:\+86|0086)?(0?)(\d{9,11})")


def phone(text: str, *, region: str = "CN", field: str = "") -> str:
    """A phone number in E.164, `+8613800138000`, with an extension as RFC 3966 writes it: `+862168880000;ext=801`.

    Without a country code it is a number of the region. Raises Invalid INVALID_PHONE if there can be no such number.
    """
    if region == "CN" and text.isdigit() and (plain := _chinese(text)):
        return plain
    typed = unicodedata.normalize("NFKC", text).strip()
    if len(typed) > MAX_PHONE:
        raise _bad_phone(typed, field)
    number, extension = _split_extension(typed)
    found = _parsed(number, region)
    hyphened = _HYPHENED_EXTENSION.fullmatch(number) if found is None and region == "CN" else None
    if hyphened and not extension:
        found, extension = _parsed(hyphened[1], region), hyphened[2]
    if found is None:
        raise _bad_phone(typed, field)
    return f"{found};ext={extension}" if extension else found


def email(text: str, *, field: str = "") -> str:
    """An e-mail address with its domain in lower case. Raises Invalid INVALID_EMAIL if it cannot be one.

    Only the form is checked, and the forms that no provider gives out, such as quoted local parts, are refused.
    """
    address = unicodedata.normalize("NFKC", text).strip()
    local, _, domain = address.rpartition("@")
    fits = len(address) <= MAX_EMAIL and len(local) <= MAX_LOCAL_PART
    if not fits or not _LOCAL_PART.fullmatch(local) or not _DOMAIN.fullmatch(domain.lower()):
        message = f"{address[:MAX_EMAIL]!r} is no e-mail address such as li.lei@example.com"
        raise Invalid("INVALID_EMAIL", message, field=field)
    return f"{local}@{domain.lower()}"


def url(text: str, *, field: str = "") -> str:
    """A web address with its scheme and host in lower case; `https` is meant if no scheme is given.

    Raises Invalid INVALID_URL if it cannot be one, or holds a password or a scheme other than http and https.
    """
    typed = text.strip()
    if typed and "://" not in typed:
        typed = f"https://{typed}"
    try:
        parts = urlsplit(typed)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad_url(text, field) from None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or len(typed) > MAX_URL:
        raise _bad_url(text, field)
    if not (_DOMAIN.fullmatch(host) or _IPV4.fullmatch(host)) or _UNPRINTABLE.search(typed):
        raise _bad_url(text, field)
    netloc = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment))


def name_key(name: str) -> str:
    """What two spellings of one name have in common: width, case, spaces and punctuation left out."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return _NOT_WORD.sub("", folded) or folded.strip()


def company_key(name: str) -> str:
    """What two names of one company have in common: the `name_key` without legal form and bracketed parts.

    「华诚科技（上海）有限公司」, 「华诚科技股份有限公司」 and 「华诚科技集团」 are 「华诚科技」. A place or trade
    that is not in brackets stays, so that firms of the same brand in two cities are told apart. A name of nothing
    but these stays whole.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    core = _NOT_WORD.sub("", _LATIN_FORM.sub("", _BRACKETED.sub("", folded)))
    while (shorter := _CHINESE_FORM.sub("", core)) != core:
        core = shorter
    return core or name_key(name)


_NOT_WORD = re.compile(r"[\W_]+")
_BRACKETED = re.compile(r"[(\[【〔《][一-鿿]{1,10}[)\]】〕》]")
_CHINESE_FORM = re.compile(r"(?:(?:有限责任|有限|责任|总)?公司|股份|集团|控股)$")
_LATIN_FORM = re.compile(
    r"(?:[\s,.]+(?:co|company|corp|corporation|inc|incorporated|llc|ltd|limited|plc|gmbh))+[\s.]*$"
)
_LOCAL_PART = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_DOMAIN = re.compile(r"(?=.{1,253}$)(?:(?!-)[^\W_](?:[\w-]{0,61}[^\W_])?\.)+(?:[^\W\d_]{2,63}|xn--[a-z0-9-]{1,59})")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}", re.ASCII)
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f\\<>\"^`{|}]")


def _bad_phone(text: str, field: str) -> Invalid:
    message = (
        f"{text[:MAX_PHONE]!r} is no phone number; landlines need their area code, foreign numbers their country code"
    )
    return Invalid("INVALID_PHONE", message, field=field)


def _bad_url(text: str, field: str) -> Invalid:
    return Invalid("INVALID_URL", f"{text[:100]!r} is no web address such as https://www.example.com", field=field)


def _split_extension(text: str) -> tuple[str, str]:
    found = _EXTENSION.search(text)
    return (text[: found.start()], found[1]) if found else (text, "")


def _parsed(typed: str, region: str) -> str | None:
    number = _SEPARATORS.sub("", typed)
    return (_chinese(number) if region == "CN" else None) or _any(number, region)


@cache
def _chinese_patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region("CN")
    assert metadata is not None
    kinds = (metadata.mobile, metadata.fixed_line)
    mobile, landline = [re.compile((kind and kind.national_number_pattern) or "$^") for kind in kinds]
    return mobile, landline


def mobiles_in_china(texts: Iterable[str]) -> dict[str, str]:
    """Those of some texts that are Chinese mobile numbers typed without anything else, as `phone` has them."""
    lines = "\n".join([text for text in texts if text.isascii()])
    return {found[0]: f"+86{found[0]}" for found in _mobile_lines().finditer(lines)}


@cache
def _mobile_lines() -> re.Pattern[str]:
    mobile, _ = _chinese_patterns()
    return re.compile(f"^(?=[1-9][0-9]{{8,10}}$)(?:{mobile.pattern})$", re.MULTILINE)


def _chinese(number: str) -> str | None:
    """The commonest numbers, by the same rules as `_any` and some twenty times as fast."""
    found = _CHINESE.fullmatch(number)
    if found is None or not number.isascii():
        return None
    mobile, landline = _chinese_patterns()
    zero, rest = found.groups()
    if (landline if zero else mobile).fullmatch(rest):
        return f"+86{rest}"
    return None


def _any(number: str, region: str) -> str | None:
    if not _DIALLABLE.fullmatch(number):  # else letters would count as the digits of their keys
        return None
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


_DIALLABLE = re.compile(r"\+?\d+", re.ASCII)
