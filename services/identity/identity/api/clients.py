"""ClientService."""

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.paging import page_size
from crm.identity.v1 import client_service_pb2, client_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import mapping, queries
from identity.permissions import known_permissions
from identity.usecases import create_client, delete_client


class ClientServicer(client_service_pb2_grpc.ClientServiceServicer):
    """The machines that may call the suite."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListClients(
        self, request: client_service_pb2.ListClientsRequest, context: ServicerContext
    ) -> client_service_pb2.ListClientsResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = queries.list_clients(session, size, request.page_token)
        return client_service_pb2.ListClientsResponse(
            clients=map(mapping.client_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateClient(
        self, request: client_service_pb2.CreateClientRequest, context: ServicerContext
    ) -> client_service_pb2.ClientWithSecret:
        draft = mapping.client_draft(request.client)
        known = known_permissions().keys()

        def create(session: ServiceSession) -> client_service_pb2.ClientWithSecret:
            client, secret = create_client.create_client(session, draft, known)
            return client_service_pb2.ClientWithSecret(client=mapping.client_to_proto(client), client_secret=secret)

        return self.calls.write(request, client_service_pb2.ClientWithSecret, create, secret_fields=["client_secret"])

    def DeleteClient(self, request: client_service_pb2.DeleteClientRequest, context: ServicerContext) -> Empty:
        client_key = parse_name("clients", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_client.delete_client(session, client_key)
            return Empty()

        return self.calls.write(request, Empty, delete)
