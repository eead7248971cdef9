"""The roles that a new installation begins with. They are ordinary roles: the company changes them as it likes."""

from chassis.callers import Reach
from chassis.field_rules import FieldEffect

from identity.field_rules import FieldRule
from identity.grants import EVERY_PERMISSION, RoleGrant
from identity.usecases.create_role import RoleDraft

ADMINISTRATOR = RoleDraft("系统管理员", (RoleGrant(EVERY_PERMISSION, Reach.ALL),))

_COLLEAGUES = ("user.read", "department.read", "role.read", "partner.read")
_READ = ("customer.read", "contact.read", "follow_up.read", "purchase.read")
_OWN_LEADS = ("lead_capacity.read", "lead_absence.update")
_FIELD = ("visit.read", "visit.create", "call.read", "call.create")
_TASKS = ("task.read", "task.create", "task.update", "playbook.read", "escalation.read")
_LEADS = ("lead.read", "lead.create", "lead.update", "lead.convert")
_CAPTURE = ("capture.read", "capture.configure", "capture.correct")
_PLANS = ("plan.read", "plan.create", "plan.update")
_POOL = ("pool.read", "pool.claim", "customer.release", "customer.lock", "customer.request_extension")
_WORK = ("contact.create", "contact.update", "contact.delete", "follow_up.create", "interaction.record")


_PRIVATE = (
    FieldRule("contact", "phones", FieldEffect.MASK),
    FieldRule("contact", "emails", FieldEffect.MASK),
    FieldRule("contact", "wechat", FieldEffect.HIDE),
)
"""Who sends invoices needs the company, not the people's private numbers."""


def _grants(reach: Reach, *permissions: str) -> tuple[RoleGrant, ...]:
    colleagues = tuple(RoleGrant(permission, Reach.ALL) for permission in _COLLEAGUES)
    return colleagues + tuple(RoleGrant(permission, reach) for permission in permissions)


TEMPLATES = (
    RoleDraft(
        "销售代表",
        (
            *_grants(
                Reach.SELF,
                *_READ,
                *_WORK,
                *_LEADS,
                *_TASKS,
                *_FIELD,
                *_PLANS,
                *_POOL,
                *_OWN_LEADS,
                "task.delete",
                "customer.create",
                "customer.update",
                "customer.share",
                "customer.import",
            ),
            # The fallback pool is the department's: nobody owns what is in it.
            RoleGrant("lead.claim", Reach.DEPARTMENT),
        ),
    ),
    RoleDraft(
        "销售经理",
        _grants(
            Reach.DEPARTMENT_TREE,
            *_READ,
            *_WORK,
            *_LEADS,
            *_TASKS,
            *_FIELD,
            *_PLANS,
            *_POOL,
            *_OWN_LEADS,
            "assignment_rule.read",
            "lead.assign",
            "lead.claim",
            "lead_capacity.update",
            "task.assign",
            "task.delete",
            "pool.assign",
            "customer.recall",
            "customer.extend",
            "tier.lock",
            "visit.locate",
            "visit.review",
            "lead.delete",
            "lead.merge",
            "lead.import",
            "lead.transfer",
            "lead.approve",
            "customer.create",
            "customer.update",
            "customer.delete",
            "customer.transfer",
            "customer.assign_theatre",
            "customer.merge",
            "customer.share",
            "customer.import",
            "customer.export",
            "follow_up.export",
        ),
    ),
    RoleDraft(
        "客服", _grants(Reach.ALL, *_READ, "contact.create", "contact.update", "follow_up.create", "interaction.record")
    ),
    RoleDraft("财务", _grants(Reach.ALL, *_READ, "customer.export"), field_rules=_PRIVATE),
    RoleDraft(
        "市场",
        _grants(
            Reach.ALL,
            *_READ,
            *_LEADS,
            *_TASKS,
            *_FIELD,
            "task.assign",
            "playbook.configure",
            "escalation.configure",
            *_CAPTURE,
            "automation.read",
            "automation.configure",
            "lead.approve",
            "lead.merge",
            "lead.configure",
            "lead.import",
            "lead.assign",
            "lead_capacity.read",
            "assignment_rule.read",
            "assignment_rule.configure",
            "rfm.run",
            "tier.configure",
            "tier.evaluate",
            "tag.create",
            "tag.update",
            "customer.create",
            "customer.import",
            "contact.create",
            "partner.create",
            "partner.update",
        ),
    ),
    RoleDraft("审计", _grants(Reach.ALL, "audit.read", "audit.verify")),
    RoleDraft("个人信息保护", _grants(Reach.ALL, *_READ, "lead.read", "personal_data.read", "personal_data.manage")),
    RoleDraft("合作伙伴", (RoleGrant("lead.read", Reach.SELF), RoleGrant("lead.register", Reach.SELF))),
)
