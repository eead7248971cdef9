"""Signing in and out."""

import strawberry
from crm.identity.v1 import auth_service_pb2

from gateway.context import Info
from gateway.fields import mutation
from gateway.operations.requests import RequestId
from gateway.types.identity import TokenPair


@strawberry.input(description="A person's credentials.")
class LoginInput:
    username: str = strawberry.field(description="The login name, the e-mail address or the phone number.")
    password: str


@strawberry.input(description="The refresh token of the last pair.")
class RefreshTokenInput:
    refresh_token: str


@strawberry.input(description="A machine's credentials.")
class IssueClientTokenInput:
    client_id: str
    client_secret: str


@strawberry.input(description="A change of one's own password.")
class ChangePasswordInput:
    current_password: str
    new_password: str = strawberry.field(description="At least 10 characters.")
    request_id: RequestId = None


@strawberry.type
class SigningMutation:
    @mutation("Signs a person in, or answers with a challenge for `completeLogin` if the person has a second factor.")
    async def login(self, info: Info, input: LoginInput) -> TokenPair | None:  # noqa: A002
        request = auth_service_pb2.LoginRequest(username=input.username, password=input.password)
        return TokenPair(await info.context.calls(info.context.services.auth.Login, request))

    @mutation("Exchanges a refresh token for a new pair. Each works once: using one again ends the session.")
    async def refresh_tokens(self, info: Info, input: RefreshTokenInput) -> TokenPair | None:  # noqa: A002
        request = auth_service_pb2.RefreshTokensRequest(refresh_token=input.refresh_token)
        return TokenPair(await info.context.calls(info.context.services.auth.RefreshTokens, request))

    @mutation("Ends the session that a refresh token belongs to.")
    async def logout(self, info: Info, input: RefreshTokenInput) -> bool | None:  # noqa: A002
        request = auth_service_pb2.LogoutRequest(refresh_token=input.refresh_token)
        await info.context.calls(info.context.services.auth.Logout, request)
        return True

    @mutation("Signs a machine in by client credentials.")
    async def issue_client_token(self, info: Info, input: IssueClientTokenInput) -> TokenPair | None:  # noqa: A002
        request = auth_service_pb2.IssueClientTokenRequest(client_id=input.client_id, client_secret=input.client_secret)
        return TokenPair(await info.context.calls(info.context.services.auth.IssueClientToken, request))

    @mutation("Changes the caller's own password and ends the caller's other sessions.")
    async def change_password(self, info: Info, input: ChangePasswordInput) -> bool | None:  # noqa: A002
        request = auth_service_pb2.ChangePasswordRequest(
            current_password=input.current_password, new_password=input.new_password, request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.auth.ChangePassword, request)
        return True
