"""Give customers of somebody who leaves to successors. Nothing but the owner changes."""

from collections.abc import Sequence
from uuid import UUID

from chassis.db import ServiceSession
from chassis.handover import Move, find_successors

from customers.holding import lock_held
from customers.model import ChangeKind, Customer
from customers.owners import find_owner
from customers.usecases.transfer_customers import give

NOTE = "离职交接"


def hand_over_customers(session: ServiceSession, leaver_id: UUID, moves: Sequence[Move]) -> list[UUID]:
    """Give customers to their successors, their contacts and timelines along with them."""
    # Owners are locked before customers, as in a department move, so that the two never wait for each other.
    owners = find_successors(session, moves, find_owner)
    successors = {move.record_id: move.successor_id for move in moves}
    held = lock_held(session, Customer.id.in_(successors), Customer.owner_id == leaver_id)
    give(session, [(one, owners[successors[one.id]]) for one in held], ChangeKind.HANDED_OVER, NOTE)
    return [one.id for one in held]
