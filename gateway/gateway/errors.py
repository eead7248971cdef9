"""Failures as clients see them: `extensions { code, reason, field, … }`. Nothing else of a failure leaves here.

`code` is the name of a gRPC status, `reason` says precisely what is wrong and never changes, `service` is who said so.
"""

import logging
import re
from collections.abc import Iterable
from typing import Any

from chassis.errors import DomainError, Invalid, Violation
from chassis.names import new_id
from chassis.status import code_of
from graphql import GraphQLError

from gateway.contracts import public_name
from gateway.failures import CallFailed
from gateway.locales import translate

logger = logging.getLogger(__name__)

_PLACE = re.compile(r"has invalid value at \.?(?P<field>[\w.\[\]]+):")


def formatted(error: GraphQLError, locale: str) -> dict[str, Any]:
    """A GraphQL error as it is answered. One that nobody expected is logged, and answered with an error id."""
    message, extensions = described(_cause(error), error.message, locale)
    answer: dict[str, Any] = {"message": message, "extensions": extensions}
    if error.locations:
        answer["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        answer["path"] = error.path
    return answer


def described(cause: BaseException | None, message: str, locale: str) -> tuple[str, dict[str, Any]]:
    """Message and extensions for a failure. No cause means that the request itself is no valid GraphQL."""
    if isinstance(cause, CallFailed):
        extensions = _extensions(cause.code.name, cause.reason, cause.field, cause.violations, cause.details, locale)
        extensions["service"] = cause.service
        english = _in_public_words(cause.message, cause.field)
        return translate(locale, cause.reason, english, extensions), extensions
    if isinstance(cause, DomainError):
        violations = cause.violations if isinstance(cause, Invalid) else ()
        code = code_of(cause).name
        extensions = _extensions(code, cause.reason, cause.field, violations, cause.details, locale)
        return translate(locale, cause.reason, cause.message, cause.details), extensions
    if cause is None:
        return _no_graphql(message, locale)
    return _unexpected(cause, locale)


def codes(errors: Iterable[dict[str, Any]]) -> list[str]:
    """The reasons of answered errors, for the log."""
    return sorted({error["extensions"]["reason"] for error in errors})


def _cause(error: GraphQLError) -> BaseException | None:
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    # Values that do not fit their type raise GraphQLError or TypeError before any resolver runs, hence without path.
    return cause if error.path is not None or isinstance(cause, DomainError | CallFailed) else None


def _extensions(
    code: str, reason: str, field: str, violations: Iterable[Violation], details: dict[str, str], locale: str
) -> dict[str, Any]:
    extensions: dict[str, Any] = {**details, "code": code, "reason": reason}
    if field:
        extensions["field"] = public_path(field)
    listed = [
        {
            "field": public_path(violation.field),
            "reason": violation.reason,
            "message": translate(
                locale, violation.reason, _in_public_words(violation.message, violation.field), details
            ),
        }
        for violation in violations
    ]
    if listed:
        extensions["fieldViolations"] = listed
    return extensions


def public_path(field: str) -> str:
    """A path of fields by the names of the schema: `display_name` → `name`. Keys of custom fields stay."""
    head, dot, rest = field.partition(".")
    if head in ("custom", "custom_fields"):
        return f"customFields{dot}{rest}"
    return f"{public_name(head, last=False)}.{public_path(rest)}" if dot else public_name(head, last=True)


def _in_public_words(english: str, field: str) -> str:
    """A service's message with the field at fault called as in the schema: `request_id must be …` → `requestId …`."""
    for path in (field, "request_id"):
        own, shown = re.escape(_last_name(path)), _last_name(public_path(path))
        # Without an underscore it may be a word of the sentence: only a name stands before "must look like".
        named = rf"\b{own}\b" if "_" in own else rf"^{own}(?= must look like )"
        english = re.sub(named, shown.replace("\\", r"\\"), english)
    return english


def _last_name(path: str) -> str:
    return path.rpartition(".")[2].partition("[")[0]


def _no_graphql(message: str, locale: str) -> tuple[str, dict[str, Any]]:
    extensions = {"code": "INVALID_ARGUMENT", "reason": "INVALID_GRAPHQL"}
    found = _PLACE.search(message)
    if found is not None:
        extensions["field"] = found["field"]
    return translate(locale, "INVALID_GRAPHQL", message, {}), extensions


def _unexpected(cause: BaseException, locale: str) -> tuple[str, dict[str, Any]]:
    error_id = str(new_id())
    logger.error("unexpected %s", type(cause).__name__, extra={"error_id": error_id}, exc_info=cause)
    english = f"something went wrong on our side; quote the error id {error_id}"
    extensions = {"code": "INTERNAL", "reason": "INTERNAL", "error_id": error_id}
    return translate(locale, "INTERNAL", english, extensions), extensions
