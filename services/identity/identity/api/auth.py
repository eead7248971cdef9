"""AuthService."""

from contextlib import AbstractContextManager
from uuid import UUID

from chassis.callers import Caller, current_caller
from chassis.calls import Calls
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Invalid, Unauthenticated
from chassis.names import make_name
from crm.identity.v1 import auth_service_pb2, auth_service_pb2_grpc, user_pb2
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import mapping, passwords, queries, sign_in_mapping
from identity.authority import IdentityAuthority
from identity.password_rules import read_rules
from identity.policy import policy_version
from identity.tokens import TokenIssuer, session_of
from identity.usecases import change_password, complete_login, refresh_tokens, sign_in, sign_in_client, sign_out
from identity.usecases.open_session import Admission
from identity.usecases.set_password import former_passwords


class AuthServicer(auth_service_pb2_grpc.AuthServiceServicer):
    """Signs people and machines in."""

    def __init__(self, calls: Calls, authority: IdentityAuthority, issuer: TokenIssuer) -> None:
        self.calls = calls
        self.authority = authority
        self.issuer = issuer

    def Login(self, request: auth_service_pb2.LoginRequest, context: ServicerContext) -> auth_service_pb2.TokenPair:
        with self.calls.transaction() as session:
            attempt = sign_in.begin_attempt(session, request.username)
        proven = passwords.verify_password(attempt.password_hash, request.password)
        entry = self._admit(attempt) if proven else None
        if entry is None:
            with self.calls.transaction() as session:
                sign_in.refuse(session, attempt)
            raise Unauthenticated("BAD_CREDENTIALS", "the user name or the password is wrong")
        return sign_in_mapping.entry_to_proto(entry, self.issuer)

    def _admit(self, attempt: sign_in.Attempt) -> Admission | complete_login.Challenge | None:
        with self._as_user(attempt.user_id) as session:
            return sign_in.admit(session, attempt)

    def CompleteLogin(
        self, request: auth_service_pb2.CompleteLoginRequest, context: ServicerContext
    ) -> auth_service_pb2.TokenPair:
        with self.calls.read() as session:
            user_id = complete_login.challenged_user(session, request.challenge)
        outcome: Admission | complete_login.Refusal = complete_login.Refusal.CHALLENGE
        if user_id is not None:
            with self._as_user(user_id) as session:
                outcome = complete_login.complete_login(session, user_id, request.challenge, request.code)
        if outcome is complete_login.Refusal.CODE:
            raise Unauthenticated(outcome.value, "the code is wrong or was used before; wait for the next one")
        if isinstance(outcome, complete_login.Refusal):
            raise Unauthenticated(outcome.value, "this login took too long or is finished; sign in again")
        return sign_in_mapping.entry_to_proto(outcome, self.issuer)

    def _as_user(self, user_id: UUID | None) -> AbstractContextManager[ServiceSession]:
        """A transaction in the name of the user who signs in."""
        return self.calls.transaction(caller=Caller(subject=make_name("users", user_id), user_id=user_id))

    def RefreshTokens(
        self, request: auth_service_pb2.RefreshTokensRequest, context: ServicerContext
    ) -> auth_service_pb2.TokenPair:
        with self.calls.transaction(unaudited="goes on with a login; the reuse of a token is audited") as session:
            outcome = refresh_tokens.refresh_tokens(session, request.refresh_token)
        if isinstance(outcome, refresh_tokens.Refusal):
            raise Unauthenticated(outcome.value, "this refresh token works no more; sign in again")
        return sign_in_mapping.entry_to_proto(outcome, self.issuer)

    def Logout(self, request: auth_service_pb2.LogoutRequest, context: ServicerContext) -> Empty:
        with self.calls.transaction() as session:
            sign_out.sign_out(session, request.refresh_token)
        return Empty()

    def IssueClientToken(
        self, request: auth_service_pb2.IssueClientTokenRequest, context: ServicerContext
    ) -> auth_service_pb2.TokenPair:
        try:
            with self.calls.transaction() as session:
                client = sign_in_client.sign_in_client(session, request.client_id, request.client_secret)
                sign_in_client.note_use(session, client)
                return mapping.token_pair(self.issuer.for_client(client, system_clock(), policy_version(session)))
        except Unauthenticated:
            with self.calls.transaction() as session:
                sign_in_client.refuse(session, request.client_id)
            raise

    def GetKeySet(
        self, request: auth_service_pb2.GetKeySetRequest, context: ServicerContext
    ) -> auth_service_pb2.KeySet:
        return auth_service_pb2.KeySet(jwks_json=self.authority.key_set())

    def GetMe(self, request: auth_service_pb2.GetMeRequest, context: ServicerContext) -> user_pb2.User:
        with self.calls.read() as session:
            return mapping.user_to_proto(queries.get_own_user(session))

    def ChangePassword(self, request: auth_service_pb2.ChangePasswordRequest, context: ServicerContext) -> Empty:
        with self.calls.transaction() as session:
            user = queries.get_own_user(session)
            passwords.check_password(request.new_password, user.username, read_rules(session), field="new_password")
            if request.new_password == request.current_password:
                raise Invalid("PASSWORD_UNCHANGED", "the new password is the present one", field="new_password")
            attempt, former = sign_in.begin_own_attempt(session), former_passwords(session, user.id)
        # Judged inside the write, so that a retry of a call that took effect gets its answer again.
        proven = passwords.verify_password(attempt.password_hash, request.current_password)
        if proven:
            passwords.ensure_new(request.new_password, former, field="new_password")
        password_hash = passwords.hash_password(request.new_password)
        keep = session_of(current_caller().token)

        def change(session: ServiceSession) -> Empty:
            change_password.change_password(session, attempt, proven=proven, password_hash=password_hash, keep=keep)
            return Empty()

        return self.calls.write(request, Empty, change, secret_fields=["current_password", "new_password"])
