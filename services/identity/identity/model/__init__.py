"""The organisation: its departments and people, what roles let them do, and the sessions they have open."""

from identity.model.base import Base, label
from identity.model.clients import Client
from identity.model.departments import MAXIMUM_DEPTH, DeletedDepartment, Department, ensure_depth
from identity.model.identity_providers import IdentityProvider, LinkedIdentity, PendingSignIn, UserMatching
from identity.model.offboardings import Offboarding, OffboardingPart
from identity.model.organisation import ORGANISATION_NAME, CompanyDay, OrganisationProfile, StatutoryCalendar
from identity.model.partners import Partner
from identity.model.passwords import AccountToken, FormerPassword, StoredPasswordRules, TokenPurpose
from identity.model.personal_data import (
    LegalHold,
    PersonalDataPart,
    PersonalDataRequest,
    RequestKind,
    RequestState,
)
from identity.model.preferences import SavedView, UserSettings
from identity.model.roles import PolicyState, Role
from identity.model.second_factors import LoginChallenge, RecoveryCode, TotpFactor
from identity.model.sessions import LoginAttempt, LoginSession, RefreshToken, Revocation, SignInMethod
from identity.model.users import LOCALES, User, UserState, login_name, user_role

__all__ = [
    "LOCALES",
    "MAXIMUM_DEPTH",
    "ORGANISATION_NAME",
    "AccountToken",
    "Base",
    "Client",
    "CompanyDay",
    "DeletedDepartment",
    "Department",
    "FormerPassword",
    "IdentityProvider",
    "LegalHold",
    "LinkedIdentity",
    "LoginAttempt",
    "LoginChallenge",
    "LoginSession",
    "Offboarding",
    "OffboardingPart",
    "OrganisationProfile",
    "Partner",
    "PendingSignIn",
    "PersonalDataPart",
    "PersonalDataRequest",
    "PolicyState",
    "RecoveryCode",
    "RefreshToken",
    "RequestKind",
    "RequestState",
    "Revocation",
    "Role",
    "SavedView",
    "SignInMethod",
    "StatutoryCalendar",
    "StoredPasswordRules",
    "TokenPurpose",
    "TotpFactor",
    "User",
    "UserMatching",
    "UserSettings",
    "UserState",
    "ensure_depth",
    "label",
    "login_name",
    "user_role",
]
