"""ClientService."""

from chassis.access import known_permissions
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.paging import page_size
from crm.identity.v1 import client_pb2, client_service_pb2, client_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import mapping, queries
from identity.usecases import create_client, delete_client, rotate_client_secret, update_client


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

    def GetClient(self, request: client_service_pb2.GetClientRequest, context: ServicerContext) -> client_pb2.Client:
        with self.calls.read() as session:
            return mapping.client_to_proto(queries.get_client(session, parse_name("clients", request.name)))

    def UpdateClient(
        self, request: client_service_pb2.UpdateClientRequest, context: ServicerContext
    ) -> client_pb2.Client:
        given, known = request.client, known_permissions().keys()
        client_key, draft = parse_name("clients", given.name), mapping.client_draft(given)
        paths = changed_paths(given, request.update_mask, update_client.FIELDS)
        return self.calls.write(
            request,
            client_pb2.Client,
            lambda session: mapping.client_to_proto(
                update_client.update_client(session, client_key, draft, paths, given.etag, known)
            ),
        )

    def RotateClientSecret(
        self, request: client_service_pb2.RotateClientSecretRequest, context: ServicerContext
    ) -> client_service_pb2.ClientWithSecret:
        client_key = parse_name("clients", request.name)
        hours = request.overlap_hours if request.HasField("overlap_hours") else rotate_client_secret.OVERLAP_HOURS

        def rotate(session: ServiceSession) -> client_service_pb2.ClientWithSecret:
            client, secret = rotate_client_secret.rotate_client_secret(session, client_key, hours, request.etag)
            return client_service_pb2.ClientWithSecret(client=mapping.client_to_proto(client), client_secret=secret)

        return self.calls.write(request, client_service_pb2.ClientWithSecret, rotate)

    def CreateClient(
        self, request: client_service_pb2.CreateClientRequest, context: ServicerContext
    ) -> client_service_pb2.ClientWithSecret:
        draft = mapping.client_draft(request.client)
        known = known_permissions().keys()

        def create(session: ServiceSession) -> client_service_pb2.ClientWithSecret:
            client, secret = create_client.create_client(session, draft, known)
            return client_service_pb2.ClientWithSecret(client=mapping.client_to_proto(client), client_secret=secret)

        return self.calls.write(request, client_service_pb2.ClientWithSecret, create)

    def DeleteClient(self, request: client_service_pb2.DeleteClientRequest, context: ServicerContext) -> Empty:
        client_key = parse_name("clients", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_client.delete_client(session, client_key)
            return Empty()

        return self.calls.write(request, Empty, delete)
