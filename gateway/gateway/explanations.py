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
    "EMPLOYEES_ONLY": "the user works for a partner, and this is open to the company's own people only",
    "NO_ROLE_GRANTS": "no role of the user grants {permission}",
    "PARTNER_REACHES_OWN": "the user works for a partner and reaches their own records only",
    "AUTHOR": "the user is the author",
    "ROLE_REACHES_OWN": "the role {role_name} reaches the user's own records, and the user is the owner",
    "ROLE_REACHES_REGISTERED": "the role {role_name} reaches what the user registered for the partner",
    "ROLE_REACHES_ALL": "the role {role_name} reaches all records",
    "ROLE_REACHES_DEPARTMENT": "the role {role_name} reaches the user's department {department}, where the owner is",
    "ROLE_REACHES_TREE": "the role {role_name} reaches the user's department {department} and below, and the owner",
    "ROLE_REACHES_NAMED": "the role {role_name} names the department {department}, where or below which the owner is",
    "ROLE_REACHES_FOLLOWER": "the role {role_name} reaches {owner} ({department}), who follows it besides the owner",
    "ROLE_DOES_NOT_REACH": "the role {role_name} reaches {scope}, not the owner {owner} ({department})",
    "SHARED_WITH_USER": "{giver} shared it with the user ({share_level}, until {expire_time})",
    "SHARED_WITH_DEPARTMENT": "{giver} shared it with the department {department} ({share_level}, until {expire_time})",
    "SHARE_EXPIRED": "the share by {giver} ended at {expire_time}",
    "SHARE_TAKEN_BACK": "the share by {giver} was taken back",
    "SHARE_OPENS_LESS": "the share by {giver} is {share_level}, which does not open this",
    "SHARE_NEVER_OPENS": "{giver} shared it, but no share opens this",
    "LIES_IN_POOL": "it lies in the pool {pool_name}, whose members open it there with the permission pool.read",
    "NOT_IN_POOL": "it lies in no pool",
    "POOL_MEMBER": "it lies in the pool {pool_name}, to which the user belongs ({pool_role})",
    "POOL_MANAGER": "it lies in the pool {pool_name}, and the role {role_name} lets the user manage pools",
    "ROLE_GRANTS": "the role {role_name} grants it with the scope {scope}",
    "ROLE_TOO_NARROW": "the role {role_name} grants it with the scope {scope}, and it needs the scope ALL",
    "IS_PRIVATE": "it is private: roles of others do not reach it",
    "ITS_PERSON": "it is the user's own work",
    "NOT_ITS_PERSON": "only {owner}, whose work it is, may do this",
    "OWN_WORK": "it is the user's own work, on which somebody else decides",
    "TAKES_PART": "the user takes part in it",
    "IN_POOL_AS": "the user belongs to the pool {pool_name} ({pool_role})",
    "NOT_IN_THAT_POOL": "the user does not belong to the pool {pool_name}",
    "NO_POOL_ADMINISTRATOR": "the user does not administer the pool {pool_name}",
    "POOL_CLOSED": "the pool {pool_name} is disabled",
    "NO_POOL_MEMBER": "it lies in the pool {pool_name}, to which the user does not belong",
}
_REFERENCES = {"owner": "users", "user": "users", "giver": "users", "department": "departments"}
_EMPTY = "-"


async def sentence(context: Context, code: str, params: Mapping[str, str]) -> str:
    """What a reason says, in the language of the caller. A code unknown here is shown as it is."""
    shown = dict.fromkeys(("owner", "department", "giver", "expire_time"), _EMPTY) | dict(params)
    references = {key: name for key, name in shown.items() if key in _REFERENCES and "/" in name}
    names = await asyncio.gather(*(_name(context, _REFERENCES[key], name) for key, name in references.items()))
    shown |= dict(zip(references, names, strict=True))
    for key in ("scope", "share_level", "pool_role"):
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
