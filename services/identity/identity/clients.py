"""What this service asks other services for, over gRPC."""

from collections.abc import Iterable, Sequence
from threading import Lock
from uuid import UUID

from chassis.clients import open_channel
from chassis.names import make_name
from chassis.settings import Settings
from crm.common.v1.handover_pb2 import HandoverCount, HandoverRule
from crm.common.v1.handover_service_pb2 import PreviewHandoverRequest
from crm.common.v1.handover_service_pb2_grpc import HandoverServiceStub
from google.protobuf.json_format import ParseDict

from identity.succession import Succession


class Handovers:
    """The services that hand over records, on the caller's behalf."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stubs: dict[str, HandoverServiceStub] = {}
        self._lock = Lock()

    def preview(self, services: Iterable[str], user_id: UUID, succession: Succession) -> Sequence[HandoverCount]:
        """What some services would hand over. What one of them refuses becomes this service's own answer."""
        rules = [ParseDict(rule, HandoverRule()) for rule in succession.rules]
        counts: list[HandoverCount] = []
        for service in sorted(services):
            request = PreviewHandoverRequest(
                service=service,
                user=make_name("users", user_id),
                rules=rules,
                default_successor=make_name("users", succession.default_successor_id),
            )
            counts += self._stub(service).PreviewHandover(request).counts
        return counts

    def _stub(self, service: str) -> HandoverServiceStub:
        # Opened when first needed: identity answers without knowing where the others are.
        with self._lock:
            if service not in self._stubs:
                self._stubs[service] = HandoverServiceStub(open_channel(self._settings, service))
            return self._stubs[service]
