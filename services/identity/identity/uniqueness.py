"""Names that only one record may bear. The database decides, so that two callers at once cannot both win."""

from chassis.db import ServiceSession
from chassis.errors import Duplicate
from sqlalchemy.exc import IntegrityError

_TAKEN = {
    "uq_identity_provider_display_name": (
        "IDENTITY_PROVIDER_NAME_TAKEN",
        "another identity provider has this name",
        "display_name",
    ),
    "uq_identity_provider_issuer": (
        "IDENTITY_PROVIDER_TAKEN",
        "there is an identity provider with this issuer and client id",
        "issuer",
    ),
    "uq_user_account_username": ("USERNAME_TAKEN", "another user has this login name", "username"),
    "uq_user_account_email": ("EMAIL_TAKEN", "another user has this e-mail address", "email"),
    "uq_user_account_login_phone": ("PHONE_TAKEN", "another user has this phone number", "phone"),
    "uq_saved_view_display_name": ("VIEW_NAME_TAKEN", "you have a view of this name already", "display_name"),
    "uq_department_name": ("DEPARTMENT_NAME_TAKEN", "the parent has a child of this name", "display_name"),
    "uq_role_display_name": ("ROLE_NAME_TAKEN", "another role has this name", "display_name"),
    "uq_partner_display_name": ("PARTNER_NAME_TAKEN", "another partner has this name", "display_name"),
    "uq_client_client_id": ("CLIENT_ID_TAKEN", "another client has this id", "client_id"),
}


def flush_unique(session: ServiceSession) -> None:
    """Send the changes to the database. Raises Duplicate, naming the field, if a name is taken."""
    try:
        session.flush()
    except IntegrityError as error:
        diagnosis = getattr(error.orig, "diag", None)
        taken = _TAKEN.get(getattr(diagnosis, "constraint_name", None) or "")
        if taken is None:
            raise
        reason, message, field = taken
        raise Duplicate(reason, message, field=field) from None
