"""Theatres (战区) that follow customers beside their owners, and whose follow-ups those of a customer are.

A follow-up is logged for one side: for the customer's owner, or for a theatre that follows the customer beside the
owner. Each side has plans of its own, and what a theatre logs is for its own people as long as it follows the customer.
"""

from chassis.following import Followers
from sqlalchemy import ColumnElement, and_, exists, or_

from leads.model import FollowUp, KnownTheatre

FOLLOWERS = Followers(
    record=KnownTheatre.customer_id,
    owner=KnownTheatre.owner_id,
    department_path=KnownTheatre.owner_department_path,
    live=KnownTheatre.active,
)


def of_owner() -> ColumnElement[bool]:
    """Whether a follow-up is of the side of its customer's owner."""
    live = exists().where(
        KnownTheatre.customer_id == FollowUp.customer_id,
        KnownTheatre.theatre == FollowUp.joint_theatre,
        KnownTheatre.active,
    )
    return or_(FollowUp.joint_theatre.is_(None), ~live)


def of_theatres(theirs: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a follow-up is of one of the theatres that a predicate picks."""
    picked = exists().where(
        KnownTheatre.customer_id == FollowUp.customer_id, KnownTheatre.theatre == FollowUp.joint_theatre, theirs
    )
    return and_(FollowUp.joint_theatre.is_not(None), picked)
