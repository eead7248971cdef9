"""The sentences that explain an access. The catalogues of messages hold them by `ACCESS_` and their code.

References among a sentence's parameters are shown by the names of what they lead to.
"""

import asyncio
from collections.abc import Mapping

import grpc

from gateway.context import Context
from gateway.failures import CallFailed
from gateway.locales import translate

PREFIX = "ACCESS_"
ENGLISH: Mapping[str, str] = {
    "USER_DEACTIVATED": "the user is deactivated and may do nothing",
    "SECOND_FACTOR_MISSING": "a role requires a second factor, and until the user has set one up nothing is granted",
    "NO_ROLE_GRANTS": "no role of the user grants {permission}",
    "PARTNER_REACHES_OWN": "the user works for a partner and reaches their own records only",
    "AUTHOR": "the user is the author",
    "ROLE_REACHES_OWN": "the role {role_name} reaches the user's own records, and the user is the owner",
    "ROLE_REACHES_ALL": "the role {role_name} reaches all records",
    "ROLE_REACHES_DEPARTMENT": "the role {role_name} reaches the user's department {department}, where the owner is",
    "ROLE_REACHES_TREE": "the role {role_name} reaches the user's department {department} and below, and the owner",
    "ROLE_REACHES_NAMED": "the role {role_name} names the department {department}, where or below which the owner is",
    "ROLE_DOES_NOT_REACH": "the role {role_name} reaches {scope}, not the owner {owner} ({department})",
    "SHARED_WITH_USER": "{giver} shared it with the user ({share_level}, until {expire_time})",
    "SHARED_WITH_DEPARTMENT": "{giver} shared it with the department {department} ({share_level}, until {expire_time})",
    "SHARE_EXPIRED": "the share by {giver} ended at {expire_time}",
    "SHARE_TAKEN_BACK": "the share by {giver} was taken back",
    "SHARE_OPENS_LESS": "the share by {giver} is {share_level}, which does not open this",
    "SHARE_NEVER_OPENS": "{giver} shared it, but no share opens this",
}
_REFERENCES = {"owner": "users", "user": "users", "giver": "users", "department": "departments"}
_EMPTY = "-"


async def sentence(context: Context, code: str, params: Mapping[str, str]) -> str:
    """What a reason says, in the language of the caller. A code unknown here is shown as it is."""
    shown = dict.fromkeys(("owner", "department", "giver", "expire_time"), _EMPTY) | dict(params)
    references = {key: name for key, name in shown.items() if key in _REFERENCES and "/" in name}
    names = await asyncio.gather(*(_name(context, _REFERENCES[key], name) for key, name in references.items()))
    shown |= dict(zip(references, names, strict=True))
    for key in ("scope", "share_level"):
        if key in shown:
            shown[key] = translate(context.locale, f"{PREFIX}{shown[key]}", shown[key], {})
    english = ENGLISH[code].format_map(shown) if code in ENGLISH else code
    return translate(context.locale, f"{PREFIX}{code}", english, shown)


async def _name(context: Context, collection: str, name: str) -> str:
    """The name of a record, or its id if the caller may not know it."""
    if not name.startswith(f"{collection}/"):
        return name
    try:
        record = await context.loaders.of(collection).load(name)
    except CallFailed as error:
        if error.code is not grpc.StatusCode.PERMISSION_DENIED:
            raise
        return name
    return record.wire.display_name if record is not None else name
