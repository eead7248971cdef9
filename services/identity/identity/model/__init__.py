"""The organisation: its departments and people, what roles let them do, and the sessions they have open."""

from identity.model.base import Base, label
from identity.model.clients import Client
from identity.model.departments import MAXIMUM_DEPTH, Department, ensure_depth
from identity.model.roles import PolicyState, Role
from identity.model.sessions import LoginAttempt, LoginSession, RefreshToken, Revocation
from identity.model.users import LOCALES, User, UserState, login_name, user_role

__all__ = [
    "LOCALES",
    "MAXIMUM_DEPTH",
    "Base",
    "Client",
    "Department",
    "LoginAttempt",
    "LoginSession",
    "PolicyState",
    "RefreshToken",
    "Revocation",
    "Role",
    "User",
    "UserState",
    "ensure_depth",
    "label",
    "login_name",
    "user_role",
]
