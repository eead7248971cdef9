"""The roles that a new installation begins with. They are ordinary roles: the company changes them as it likes."""

from chassis.callers import Reach

from identity.grants import EVERY_PERMISSION, RoleGrant
from identity.usecases.create_role import RoleDraft

ADMINISTRATOR = RoleDraft("系统管理员", (RoleGrant(EVERY_PERMISSION, Reach.ALL),))

_COLLEAGUES = ("user.read", "department.read", "role.read")
_READ = ("customer.read", "contact.read", "follow_up.read")
_WORK = ("contact.create", "contact.update", "contact.delete", "follow_up.create")


def _grants(reach: Reach, *permissions: str) -> tuple[RoleGrant, ...]:
    colleagues = tuple(RoleGrant(permission, Reach.ALL) for permission in _COLLEAGUES)
    return colleagues + tuple(RoleGrant(permission, reach) for permission in permissions)


TEMPLATES = (
    RoleDraft("销售代表", _grants(Reach.SELF, *_READ, *_WORK, "customer.create", "customer.update", "customer.import")),
    RoleDraft(
        "销售经理",
        _grants(
            Reach.DEPARTMENT_TREE,
            *_READ,
            *_WORK,
            "customer.create",
            "customer.update",
            "customer.delete",
            "customer.transfer",
            "customer.import",
            "customer.export",
        ),
    ),
    RoleDraft("客服", _grants(Reach.ALL, *_READ, "contact.create", "contact.update", "follow_up.create")),
    RoleDraft("财务", _grants(Reach.ALL, *_READ, "customer.export")),
    RoleDraft("市场", _grants(Reach.ALL, *_READ, "customer.create", "customer.import", "contact.create")),
)
