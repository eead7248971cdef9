"""Accounts, what people choose for themselves, and the ways in which they look at records."""

from typing import cast

import strawberry
from crm.common.v1 import filter_pb2
from crm.identity.v1 import account_pb2, saved_view_pb2

from gateway.conditions import from_filter
from gateway.contracts import comment_on
from gateway.deriver import Record, derive
from gateway.errors import public_path
from gateway.fields import field
from gateway.nodes import Node
from gateway.types import identity  # noqa: F401 - before these types, which hold its own


@derive(account_pb2.Invitation)
class Invitation(Record[account_pb2.Invitation]):
    pass


@derive(account_pb2.PasswordRules, required={"etag"})
class PasswordRules(Record[account_pb2.PasswordRules]):
    pass


@derive(account_pb2.NotificationSwitch, required={"kind", "channel"})
class NotificationSwitch(Record[account_pb2.NotificationSwitch]):
    pass


@derive(account_pb2.UserSettings, required={"locale", "etag"})
class UserSettings(Record[account_pb2.UserSettings]):
    pass


@derive(account_pb2.EffectivePermission, required={"permission"}, relations={"departments": "departments"})
class EffectivePermission(Record[account_pb2.EffectivePermission]):
    pass


@derive(account_pb2.MyAccount)
class MyAccount(Record[account_pb2.MyAccount]):
    pass


@strawberry.type(description=comment_on(filter_pb2.OrderBy.DESCRIPTOR))
class OrderBy:
    field: str = strawberry.field(description="The field as the type calls it.")
    descending: bool = strawberry.field(description=comment_on(filter_pb2.OrderBy.DESCRIPTOR, "descending"))


@derive(
    saved_view_pb2.SavedView,
    required={"entity", "display_name", "etag"},
    hide={"filter", "columns", "order_by"},
    relations={"owner": "users", "shared_department": "departments"},
)
class SavedView(Record[saved_view_pb2.SavedView], Node):
    @field("Which records to show, in the form of FilterInput.")
    def filter(self) -> strawberry.scalars.JSON | None:
        return cast(strawberry.scalars.JSON | None, from_filter(self.wire.filter))

    @field("The fields to show, in this order.")
    def columns(self) -> list[str]:
        return [public_path(name) for name in self.wire.columns]

    @field("How to sort.")
    def order_by(self) -> list[OrderBy]:
        return [OrderBy(field=public_path(key.field), descending=key.descending) for key in self.wire.order_by]
