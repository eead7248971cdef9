"""PolicyService."""

from crm.identity.v1 import policy_service_pb2, policy_service_pb2_grpc
from grpc import ServicerContext

from identity.authority import IdentityAuthority


class PolicyServicer(policy_service_pb2_grpc.PolicyServiceServicer):
    """What services need to decide on a call by themselves."""

    def __init__(self, authority: IdentityAuthority) -> None:
        self.authority = authority

    def GetPolicy(
        self, request: policy_service_pb2.GetPolicyRequest, context: ServicerContext
    ) -> policy_service_pb2.Policy:
        return self.authority.policy(request.known_version)
