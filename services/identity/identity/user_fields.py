"""What users can be filtered and sorted by."""

from chassis.filters import Field, FieldKind, FieldRegistry

from identity.model import User, UserState

USER_FIELDS = FieldRegistry(
    [
        Field("username", FieldKind.TEXT, User.username, sortable=True, index="uq_user_account_username"),
        Field("display_name", FieldKind.TEXT, User.display_name, sortable=True, index="ix_user_account_display_name"),
        Field("email", FieldKind.TEXT, User.email, sortable=True, index="uq_user_account_email"),
        Field(
            "department",
            FieldKind.REFERENCE,
            User.department_id,
            collection="departments",
            index="ix_user_account_department_id",
        ),
        Field(
            "partner",
            FieldKind.REFERENCE,
            User.partner_id,
            collection="partners",
            index="ix_user_account_partner_id",
        ),
        Field(
            "state",
            FieldKind.ENUM,
            User.state,
            choices=tuple(state.value for state in UserState),
            index="ix_user_account_state",
        ),
        Field("create_time", FieldKind.TIME, User.create_time, sortable=True, index="ix_user_account_create_time"),
    ],
    entity="user",
)
