"""AccountService."""

from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name
from crm.identity.v1 import account_pb2, account_service_pb2, account_service_pb2_grpc, user_pb2
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import account_mapping, mapping, passwords
from identity.links import Links
from identity.model import TokenPurpose
from identity.password_rules import stored_rules
from identity.usecases import invite_user, request_password_reset, unlock_user, update_password_rules, use_token


class AccountServicer(account_service_pb2_grpc.AccountServiceServicer):
    """Brings people to their accounts."""

    def __init__(self, calls: Calls, links: Links) -> None:
        self.calls = calls
        self.links = links

    def InviteUser(
        self, request: account_service_pb2.InviteUserRequest, context: ServicerContext
    ) -> account_pb2.Invitation:
        draft = mapping.user_draft(request.user)

        def invite(session: ServiceSession) -> account_pb2.Invitation:
            return account_mapping.invitation_to_proto(invite_user.invite_user(session, draft, self.links))

        return self.calls.write(request, account_pb2.Invitation, invite)

    def ResendInvitation(
        self, request: account_service_pb2.ResendInvitationRequest, context: ServicerContext
    ) -> account_pb2.Invitation:
        user_id = parse_name("users", request.name)

        def resend(session: ServiceSession) -> account_pb2.Invitation:
            return account_mapping.invitation_to_proto(invite_user.resend_invitation(session, user_id, self.links))

        return self.calls.write(request, account_pb2.Invitation, resend)

    def ActivateAccount(self, request: account_service_pb2.ActivateAccountRequest, context: ServicerContext) -> Empty:
        return self._use_token(request, TokenPurpose.INVITATION)

    def RequestPasswordReset(
        self, request: account_service_pb2.RequestPasswordResetRequest, context: ServicerContext
    ) -> Empty:
        reason = "audited where the link is sent, if there is somebody to send it to"
        with self.calls.transaction(unaudited=reason) as session:
            request_password_reset.request_password_reset(session, request.login)
        return Empty()

    def CompletePasswordReset(
        self, request: account_service_pb2.CompletePasswordResetRequest, context: ServicerContext
    ) -> Empty:
        return self._use_token(request, TokenPurpose.RESET)

    def UnlockUser(self, request: account_service_pb2.UnlockUserRequest, context: ServicerContext) -> user_pb2.User:
        user_id = parse_name("users", request.name)
        return self.calls.write(
            request, user_pb2.User, lambda session: mapping.user_to_proto(unlock_user.unlock_user(session, user_id))
        )

    def GetPasswordRules(
        self, request: account_service_pb2.GetPasswordRulesRequest, context: ServicerContext
    ) -> account_pb2.PasswordRules:
        with self.calls.read() as session:
            return account_mapping.rules_to_proto(stored_rules(session))

    def UpdatePasswordRules(
        self, request: account_service_pb2.UpdatePasswordRulesRequest, context: ServicerContext
    ) -> account_pb2.PasswordRules:
        message = request.password_rules
        wanted = account_mapping.rules_draft(message)
        paths = changed_paths(message, request.update_mask, update_password_rules.FIELDS)
        return self.calls.write(
            request,
            account_pb2.PasswordRules,
            lambda session: account_mapping.rules_to_proto(
                update_password_rules.update_password_rules(session, wanted, paths, message.etag)
            ),
        )

    def _use_token(self, request: Any, purpose: TokenPurpose) -> Empty:
        """Set the password that a token permits to set."""
        token: str = request.token
        with self.calls.read() as session:
            bearer = use_token.find_bearer(session, token, purpose)
        password_hash = ""
        if bearer is not None:
            passwords.check_password(request.password, bearer.username, bearer.rules, field="password")
            passwords.ensure_new(request.password, bearer.former, field="password")
            password_hash = passwords.hash_password(request.password)

        # A token that is gone is refused inside the write, so that a retry of a call that took effect gets its answer.
        def use(session: ServiceSession) -> Empty:
            use_it = use_token.activate_account if purpose is TokenPurpose.INVITATION else use_token.complete_reset
            use_it(session, bearer, token, password_hash)
            return Empty()

        return self.calls.write(request, Empty, use, secret_fields=["token", "password"])
