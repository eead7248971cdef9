"""Invitations, forgotten passwords, what is asked of passwords, and personal settings."""

import strawberry
from crm.identity.v1 import account_pb2, account_service_pb2, settings_service_pb2, user_pb2

from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.requests import RequestId
from gateway.types.accounts import Invitation, MyAccount, PasswordRules, UserSettings
from gateway.types.identity import User


@strawberry.type
class AccountsQuery:
    @field("What a client needs to begin with: the signed-in user with settings and effective permissions.")
    async def my_account(self, info: Info) -> MyAccount | None:
        method, request = info.context.services.settings.GetMyAccount, settings_service_pb2.GetMyAccountRequest()
        return MyAccount(await info.context.calls(method, request))

    @field("What is asked of passwords.")
    async def password_rules(self, info: Info) -> PasswordRules | None:
        method, request = info.context.services.accounts.GetPasswordRules, account_service_pb2.GetPasswordRulesRequest()
        return PasswordRules(await info.context.calls(method, request))


@derive_input(
    user_pb2.User,
    required={"username", "display_name", "department"},
    hide={"name", "etag", "last_login_time", "create_time", "update_time", "state", "kind", "hidden_fields"},
    references={"department", "roles", "partner"},
)
class InviteUserInput(Input[user_pb2.User]):
    request_id: RequestId = None


@strawberry.input(description="Which user is meant.")
class UserInput:
    id: strawberry.ID
    request_id: RequestId = None


@strawberry.input(description="The token in a link, and the password to set by it.")
class SetPasswordInput:
    token: str
    password: str
    request_id: RequestId = None


@strawberry.input(description="Who wants a link for a new password.")
class RequestPasswordResetInput:
    login: str = strawberry.field(description="The login name, the e-mail address or the phone number.")


@derive_input(account_pb2.PasswordRules)
class UpdatePasswordRulesInput(Input[account_pb2.PasswordRules]):
    request_id: RequestId = None


@derive_input(account_pb2.NotificationSwitch, required={"kind", "channel", "enabled"})
class NotificationSwitchInput(Input[account_pb2.NotificationSwitch]):
    pass


@derive_input(account_pb2.UserSettings)
class UpdateMySettingsInput(Input[account_pb2.UserSettings]):
    request_id: RequestId = None


@strawberry.type
class AccountsMutation:
    @mutation("Creates a user who sets the password by a link, and sends the link.")
    async def invite_user(self, info: Info, input: InviteUserInput) -> Invitation | None:  # noqa: A002
        request = account_service_pb2.InviteUserRequest(user=input.to_proto(), request_id=input.request_id or "")
        return Invitation(await info.context.calls(info.context.services.accounts.InviteUser, request))

    @mutation("Makes a new link for a user who has no password yet, and sends it. The link before works no more.")
    async def resend_user_invitation(self, info: Info, input: UserInput) -> Invitation | None:  # noqa: A002
        request = account_service_pb2.ResendInvitationRequest(name=input.id, request_id=input.request_id or "")
        return Invitation(await info.context.calls(info.context.services.accounts.ResendInvitation, request))

    @mutation("Sets the password of an invited user, who may sign in from now on.")
    async def activate_account(self, info: Info, input: SetPasswordInput) -> bool | None:  # noqa: A002
        request = account_service_pb2.ActivateAccountRequest(
            token=input.token, password=input.password, request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.accounts.ActivateAccount, request)
        return True

    @mutation("Sends a link for a new password by mail. The answer is the same whether or not there is such a person.")
    async def request_password_reset(self, info: Info, input: RequestPasswordResetInput) -> bool | None:  # noqa: A002
        request = account_service_pb2.RequestPasswordResetRequest(login=input.login)
        await info.context.calls(info.context.services.accounts.RequestPasswordReset, request)
        return True

    @mutation("Sets a new password by such a link, and ends all of the user's sessions.")
    async def complete_password_reset(self, info: Info, input: SetPasswordInput) -> bool | None:  # noqa: A002
        request = account_service_pb2.CompletePasswordResetRequest(
            token=input.token, password=input.password, request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.accounts.CompletePasswordReset, request)
        return True

    @mutation("Forgets a user's failed attempts to sign in, so that the user may try again at once.")
    async def unlock_user(self, info: Info, input: UserInput) -> User | None:  # noqa: A002
        request = account_service_pb2.UnlockUserRequest(name=input.id, request_id=input.request_id or "")
        return User(await info.context.calls(info.context.services.accounts.UnlockUser, request))

    @mutation("Changes what is asked of passwords.")
    async def update_password_rules(
        self,
        info: Info,
        input: UpdatePasswordRulesInput,  # noqa: A002
    ) -> PasswordRules | None:
        request = account_service_pb2.UpdatePasswordRulesRequest(
            password_rules=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return PasswordRules(await info.context.calls(info.context.services.accounts.UpdatePasswordRules, request))

    @mutation("Changes the caller's settings.")
    async def update_my_settings(self, info: Info, input: UpdateMySettingsInput) -> UserSettings | None:  # noqa: A002
        request = settings_service_pb2.UpdateMySettingsRequest(
            settings=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return UserSettings(await info.context.calls(info.context.services.settings.UpdateMySettings, request))
