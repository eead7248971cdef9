"""The machines that may call the suite."""

import strawberry
from crm.identity.v1 import client_pb2, client_service_pb2

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.identity import Client, ClientWithSecret

_OUTPUT = {"create_time", "last_use_time", "last_address", "former_secret_expire_time"}


@strawberry.type
class ClientsQuery:
    @field("A machine.")
    async def client(self, info: Info, key: Key) -> Client | None:
        request = client_service_pb2.GetClientRequest(name=key)
        return Client(await info.context.calls(info.context.services.clients.GetClient, request))

    @field("The machines that may call the suite, by client id.")
    async def clients(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Client] | None:
        method, request = info.context.services.clients.ListClients, client_service_pb2.ListClientsRequest
        return await connect(first, after, Client, pages(info.context, method, request, "clients"))


@derive_input(client_pb2.Client, required={"client_id", "display_name"}, hide={"name", "etag", *_OUTPUT})
class CreateClientInput(Input[client_pb2.Client]):
    request_id: RequestId = None


@derive_input(client_pb2.Client, required={"name"}, hide={"client_id", *_OUTPUT})
class UpdateClientInput(Input[client_pb2.Client]):
    request_id: RequestId = None


@strawberry.input(description="Which machine to give a new secret.")
class RotateClientSecretInput:
    id: strawberry.ID
    overlap_hours: int | None = strawberry.field(
        default=None,
        description="For how many hours the former secret still works, at most 720; 24 if not given. 0 ends it at "
        "once, and refuses the tokens that were given for it.",
    )
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Which machine to delete.")
class DeleteClientInput:
    id: strawberry.ID
    request_id: RequestId = None


@strawberry.type
class ClientsMutation:
    @mutation("Creates a machine and returns its secret, once.")
    async def create_client(self, info: Info, input: CreateClientInput) -> ClientWithSecret | None:  # noqa: A002
        request = client_service_pb2.CreateClientRequest(client=input.to_proto(), request_id=input.request_id or "")
        return ClientWithSecret(await info.context.calls(info.context.services.clients.CreateClient, request))

    @mutation("Changes a machine: its name, grants, limits, and whether it may sign in.")
    async def update_client(self, info: Info, input: UpdateClientInput) -> Client | None:  # noqa: A002
        request = client_service_pb2.UpdateClientRequest(
            client=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return Client(await info.context.calls(info.context.services.clients.UpdateClient, request))

    @mutation("Gives a machine a new secret and returns it, once. The former one works for a while.")
    async def rotate_client_secret(
        self,
        info: Info,
        input: RotateClientSecretInput,  # noqa: A002
    ) -> ClientWithSecret | None:
        request = client_service_pb2.RotateClientSecretRequest(
            name=input.id,
            overlap_hours=input.overlap_hours,
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        return ClientWithSecret(await info.context.calls(info.context.services.clients.RotateClientSecret, request))

    @mutation("Deletes a client and returns its id.")
    async def delete_client(self, info: Info, input: DeleteClientInput) -> strawberry.ID | None:  # noqa: A002
        request = client_service_pb2.DeleteClientRequest(name=input.id, request_id=input.request_id or "")
        await info.context.calls(info.context.services.clients.DeleteClient, request)
        return input.id
