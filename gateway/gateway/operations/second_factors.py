"""Second factors of sign-in, and the sessions that people have open."""

import strawberry
from crm.identity.v1 import auth_service_pb2, second_factor_service_pb2, session_service_pb2

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.identity import TokenPair
from gateway.types.signing import SecondFactor, Session, TotpEnrolment


@strawberry.input(description="The second step of a login.")
class CompleteLoginInput:
    challenge: str = strawberry.field(description="The `secondFactorChallenge` of the first step.")
    code: str = strawberry.field(description="The six digits that the authenticator app shows, or a recovery code.")


@strawberry.input(description="A beginning.")
class BeginTotpEnrolmentInput:
    request_id: RequestId = None


@strawberry.input(description="A code of the authenticator app.")
class TotpCodeInput:
    code: str = strawberry.field(description="The six digits that the app shows.")
    request_id: RequestId = None


@strawberry.input(description="What it takes to give up a second factor.")
class DisableTotpInput:
    password: str = strawberry.field(description="The present password.")
    code: str = strawberry.field(description="The six digits that the app shows, or a recovery code.")
    request_id: RequestId = None


@strawberry.input(description="A user.")
class ResetSecondFactorInput:
    id: strawberry.ID
    request_id: RequestId = None


@strawberry.input(description="A session.")
class RevokeSessionInput:
    id: strawberry.ID
    request_id: RequestId = None


@strawberry.input(description="A user.")
class RevokeUserSessionsInput:
    id: strawberry.ID
    request_id: RequestId = None


@strawberry.type
class SecondFactorsQuery:
    @field("How it stands with the caller's own second factor.")
    async def my_second_factor(self, info: Info) -> SecondFactor | None:
        request = second_factor_service_pb2.GetMySecondFactorRequest()
        return SecondFactor(await info.context.calls(info.context.services.second_factors.GetMySecondFactor, request))

    @field("The sessions that the caller has open, the newest first.")
    async def my_sessions(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Session] | None:
        method, request = info.context.services.sessions.ListMySessions, session_service_pb2.ListMySessionsRequest
        return await connect(first, after, Session, pages(info.context, method, request, "sessions"))


@strawberry.type
class SecondFactorsMutation:
    @mutation("Finishes a login that asked for a second factor.")
    async def complete_login(self, info: Info, input: CompleteLoginInput) -> TokenPair | None:  # noqa: A002
        request = auth_service_pb2.CompleteLoginRequest(challenge=input.challenge, code=input.code)
        return TokenPair(await info.context.calls(info.context.services.auth.CompleteLogin, request))

    @mutation("Begins to set up an authenticator app for the caller. Its secret is shown once.")
    async def begin_totp_enrolment(
        self,
        info: Info,
        input: BeginTotpEnrolmentInput,  # noqa: A002
    ) -> TotpEnrolment | None:
        request = second_factor_service_pb2.BeginTotpEnrolmentRequest(request_id=input.request_id or "")
        return TotpEnrolment(await info.context.calls(info.context.services.second_factors.BeginTotpEnrolment, request))

    @mutation("Puts the caller's authenticator app into force and ends other sessions. Returns recovery codes, once.")
    async def confirm_totp(self, info: Info, input: TotpCodeInput) -> list[str] | None:  # noqa: A002
        request = second_factor_service_pb2.ConfirmTotpRequest(code=input.code, request_id=input.request_id or "")
        return list((await info.context.calls(info.context.services.second_factors.ConfirmTotp, request)).codes)

    @mutation("Replaces the caller's recovery codes and returns the new ones, once.")
    async def renew_recovery_codes(self, info: Info, input: TotpCodeInput) -> list[str] | None:  # noqa: A002
        request = second_factor_service_pb2.RenewRecoveryCodesRequest(
            code=input.code, request_id=input.request_id or ""
        )
        return list((await info.context.calls(info.context.services.second_factors.RenewRecoveryCodes, request)).codes)

    @mutation("Gives up the caller's second factor.")
    async def disable_totp(self, info: Info, input: DisableTotpInput) -> bool | None:  # noqa: A002
        request = second_factor_service_pb2.DisableTotpRequest(
            password=input.password, code=input.code, request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.second_factors.DisableTotp, request)
        return True

    @mutation("Takes away the second factor of a user who has lost it, and ends the user's sessions.")
    async def reset_second_factor(self, info: Info, input: ResetSecondFactorInput) -> bool | None:  # noqa: A002
        request = second_factor_service_pb2.ResetSecondFactorRequest(name=input.id, request_id=input.request_id or "")
        await info.context.calls(info.context.services.second_factors.ResetSecondFactor, request)
        return True

    @mutation("Ends one of the caller's own sessions.")
    async def revoke_session(self, info: Info, input: RevokeSessionInput) -> bool | None:  # noqa: A002
        request = session_service_pb2.RevokeSessionRequest(name=input.id, request_id=input.request_id or "")
        await info.context.calls(info.context.services.sessions.RevokeSession, request)
        return True

    @mutation("Ends all sessions of a user.")
    async def revoke_user_sessions(self, info: Info, input: RevokeUserSessionsInput) -> bool | None:  # noqa: A002
        request = session_service_pb2.RevokeUserSessionsRequest(name=input.id, request_id=input.request_id or "")
        await info.context.calls(info.context.services.sessions.RevokeUserSessions, request)
        return True
