"""SecondFactorService."""

from chassis.callers import current_caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_name
from crm.identity.v1 import second_factor_service_pb2, second_factor_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import passwords, queries, sign_in_queries
from identity.mapping import timestamp
from identity.sign_in_mapping import enrolment_to_proto
from identity.tokens import session_of
from identity.usecases import disable_totp, enrol_totp, sign_in
from identity.usecases.prove_code import prove_code


class SecondFactorServicer(second_factor_service_pb2_grpc.SecondFactorServiceServicer):
    """Second factors of sign-in."""

    def __init__(self, calls: Calls, issuer: str) -> None:
        """`issuer` is what authenticator apps show beside the login name."""
        self.calls = calls
        self.issuer = issuer

    def GetMySecondFactor(
        self, request: second_factor_service_pb2.GetMySecondFactorRequest, context: ServicerContext
    ) -> second_factor_service_pb2.SecondFactor:
        with self.calls.read() as session:
            user = queries.get_own_user(session)
            standing = sign_in_queries.second_factor_of(session, user)
        return second_factor_service_pb2.SecondFactor(
            enabled=standing.confirm_time is not None,
            required=standing.required,
            confirm_time=timestamp(standing.confirm_time),
            recovery_codes_left=standing.recovery_codes_left,
        )

    def BeginTotpEnrolment(
        self, request: second_factor_service_pb2.BeginTotpEnrolmentRequest, context: ServicerContext
    ) -> second_factor_service_pb2.TotpEnrolment:
        return self.calls.write(
            request,
            second_factor_service_pb2.TotpEnrolment,
            lambda session: enrolment_to_proto(enrol_totp.begin_totp(session, self.issuer)),
        )

    def ConfirmTotp(
        self, request: second_factor_service_pb2.ConfirmTotpRequest, context: ServicerContext
    ) -> second_factor_service_pb2.RecoveryCodes:
        proven = self._proves(request.code)
        keep = session_of(current_caller().token)

        def confirm(session: ServiceSession) -> second_factor_service_pb2.RecoveryCodes:
            codes = enrol_totp.confirm_totp(session, proven=proven, keep=keep)
            return second_factor_service_pb2.RecoveryCodes(codes=codes)

        return self.calls.write(request, second_factor_service_pb2.RecoveryCodes, confirm, secret_fields=["code"])

    def RenewRecoveryCodes(
        self, request: second_factor_service_pb2.RenewRecoveryCodesRequest, context: ServicerContext
    ) -> second_factor_service_pb2.RecoveryCodes:
        proven = self._proves(request.code)

        def renew(session: ServiceSession) -> second_factor_service_pb2.RecoveryCodes:
            codes = disable_totp.renew_recovery_codes(session, proven=proven)
            return second_factor_service_pb2.RecoveryCodes(codes=codes)

        return self.calls.write(request, second_factor_service_pb2.RecoveryCodes, renew, secret_fields=["code"])

    def DisableTotp(self, request: second_factor_service_pb2.DisableTotpRequest, context: ServicerContext) -> Empty:
        with self.calls.transaction() as session:
            attempt = sign_in.begin_own_attempt(session)
        password_proven = passwords.verify_password(attempt.password_hash, request.password)
        # A guess at the code is free only to whoever has the password.
        code_proven = password_proven and self._proves(request.code, recovery=True)

        def disable(session: ServiceSession) -> Empty:
            disable_totp.disable_totp(session, attempt, password_proven=password_proven, code_proven=code_proven)
            return Empty()

        return self.calls.write(request, Empty, disable, secret_fields=["password", "code"])

    def ResetSecondFactor(
        self, request: second_factor_service_pb2.ResetSecondFactorRequest, context: ServicerContext
    ) -> Empty:
        user_id = parse_name("users", request.name)

        def reset(session: ServiceSession) -> Empty:
            disable_totp.reset_second_factor(session, user_id)
            return Empty()

        return self.calls.write(request, Empty, reset)

    def _proves(self, code: str, *, recovery: bool = False) -> bool:
        """Use up a code of the caller, in a transaction of its own, so that wrong ones are counted.

        What it proves is judged inside the write, so that a retry of a call that took effect gets its answer again.
        """
        with self.calls.transaction(unaudited="counts what is tried; what a code does is audited") as session:
            return prove_code(session, queries.get_own_user(session).id, code, recovery=recovery)
