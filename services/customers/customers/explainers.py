"""How the access to customers, contacts and pools is explained."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import UUID

from chassis.db import ServiceSession
from chassis.explaining import Explainer, Place, Reason, UserAccess
from chassis.sharing import ANY_LEVEL
from sqlalchemy import select

from customers.model import Contact, Customer
from customers.model.pools import Pool, PoolRole
from customers.pools.access import MANAGE, no_pool, roles_of
from customers.queries import REACHABLE, no_contact, no_customer

WIDE = frozenset({"ownership.configure", "rfm.run", "tier.configure", "tier.evaluate"})
"""Permissions that are refused to who does not reach everything."""
WORK = ("task.create", "plan.create", "call.create", "visit.create", "visit.locate")
"""Permissions with which people plan and log work on a customer whom they may see."""
_Ask = Callable[[str], UserAccess]
_PLACES = select(Customer.id, Customer.owner_id, Customer.owner_department_path)


def _of_customer(session: ServiceSession, customer_id: UUID) -> Place | None:
    row = session.execute(_PLACES.where(Customer.id == customer_id)).first()
    if row is None:
        return None
    pool = _pool_of(session, customer_id)
    return Place(*row, hints=[Reason("LIES_IN_POOL", params=_named(pool))] if pool else ())


def _by_pool(session: ServiceSession, access: UserAccess, ask: _Ask, customer_id: UUID) -> Iterator[Reason]:
    """What `view_pool_customer` goes by; how many a member may open in a day is no matter of access."""
    pool = _pool_of(session, customer_id)
    if pool is None:
        yield Reason("NOT_IN_POOL")
        return
    role = roles_of(session, access.caller()).get(pool.id)
    managing = [held for held in ask(MANAGE).roles if held.grants]
    if role is not None:
        yield Reason("POOL_MEMBER", opens=True, params=_named(pool) | {"pool_role": role})
    for held in managing:
        yield Reason(
            "POOL_MANAGER", opens=True, params=_named(pool) | {"role": held.name, "role_name": held.display_name}
        )
    if role is None and not managing:
        yield Reason("NO_POOL_MEMBER", params=_named(pool))


def _claimed(session: ServiceSession, access: UserAccess, ask: _Ask, customer_id: UUID) -> Iterator[Reason]:
    """What `claim_customers` goes by; limits and waits are no matter of access."""
    pool = _pool_of(session, customer_id)
    return _by_membership(session, access, pool) if pool is not None else iter((Reason("NOT_IN_POOL"),))


def _assigned(session: ServiceSession, access: UserAccess, ask: _Ask, customer_id: UUID) -> Iterator[Reason]:
    """What `assign_pool_customers` goes by."""
    pool = _pool_of(session, customer_id)
    if pool is None:
        return iter((Reason("NOT_IN_POOL"),))
    return _by_membership(session, access, pool, administrators=True)


def _read_pool(session: ServiceSession, access: UserAccess, ask: _Ask, pool_id: UUID) -> Iterator[Reason]:
    pool = session.get_one(Pool, pool_id)
    yield from _by_membership(session, access, pool, closes=False)
    for held in ask(MANAGE).roles:
        for grant in held.grants[:1]:
            params = {"role": held.name, "role_name": held.display_name, "scope": str(grant.reach)}
            yield Reason("ROLE_GRANTS", opens=True, params=params)


def _claim_from(session: ServiceSession, access: UserAccess, ask: _Ask, pool_id: UUID) -> Iterator[Reason]:
    return _by_membership(session, access, session.get_one(Pool, pool_id))


def _administer(session: ServiceSession, access: UserAccess, ask: _Ask, pool_id: UUID) -> Iterator[Reason]:
    return _by_membership(session, access, session.get_one(Pool, pool_id), administrators=True)


def _manage(session: ServiceSession, access: UserAccess, ask: _Ask, pool_id: UUID) -> Iterator[Reason]:
    """Who manages pools manages all of them, whatever the scope."""
    for held in access.roles:
        for grant in held.grants[:1]:
            params = {"role": held.name, "role_name": held.display_name, "scope": str(grant.reach)}
            yield Reason("ROLE_GRANTS", opens=True, params=params)


def _by_membership(
    session: ServiceSession, access: UserAccess, pool: Pool, *, administrators: bool = False, closes: bool = True
) -> Iterator[Reason]:
    """Whether the user belongs to a pool, as an administrator if that is asked for. `closes` says that nobody does this
    with a disabled pool."""
    role = roles_of(session, access.caller()).get(pool.id)
    closed = closes and pool.disabled
    if closed:
        yield Reason("POOL_CLOSED", params=_named(pool))
    if role is None:
        yield Reason("NOT_IN_THAT_POOL", params=_named(pool))
    elif administrators and role is not PoolRole.ADMINISTRATOR:
        yield Reason("NO_POOL_ADMINISTRATOR", params=_named(pool))
    else:
        yield Reason("IN_POOL_AS", opens=not closed, params=_named(pool) | {"pool_role": role})


def _of_pool(session: ServiceSession, pool_id: UUID) -> Place | None:
    return Place(pool_id, None, None) if session.get(Pool, pool_id) is not None else None


def _pool_of(session: ServiceSession, customer_id: UUID) -> Pool | None:
    held = select(Pool).join(Customer, Customer.pool_id == Pool.id).where(Customer.id == customer_id)
    return session.scalars(held).one_or_none()


def _named(pool: Pool) -> dict[str, str]:
    return {"pool": pool.name, "pool_name": pool.display_name}


def _of_contact(session: ServiceSession, contact_id: UUID) -> Place | None:
    row = session.execute(_PLACES.join(Contact, Contact.customer_id == Customer.id).where(Contact.id == contact_id))
    found = row.first()
    return Place(*found) if found is not None else None


EXPLAINERS = (
    Explainer(
        collection="customers",
        reachable=replace(REACHABLE, opened={**REACHABLE.opened, **dict.fromkeys(WORK, ANY_LEVEL)}),
        permissions=(
            "customer.*",
            "contact.read",
            "contact.create",
            "follow_up.read",
            "follow_up.create",
            "interaction.record",
            "personal_data.read",
            "purchase.*",
            "tier.lock",
            *WORK,
        ),
        unrelated=("customer.create", "customer.import"),
        find=_of_customer,
        missing=no_customer,
        rules={"pool.read": _by_pool, "pool.claim": _claimed, "pool.assign": _assigned},
    ),
    Explainer(
        collection="contacts",
        reachable=REACHABLE,
        permissions=("contact.read", "contact.update", "contact.delete", "personal_data.read"),
        find=_of_contact,
        missing=no_contact,
    ),
    Explainer(
        collection="pools",
        reachable=REACHABLE,
        permissions=(),
        find=_of_pool,
        missing=no_pool,
        rules={
            "pool.read": _read_pool,
            "pool.claim": _claim_from,
            "pool.assign": _administer,
            "pool.manage": _manage,
        },
    ),
)
