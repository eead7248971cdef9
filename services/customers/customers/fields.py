"""The fields that customers are filtered and sorted by, each with the index that serves it.

Fields without an index of their own narrow a list that the scope, the owner, the status or a search has cut down.
Those that depend on what the company has set are in `dynamic_fields`.
"""

from chassis.filters import Field, FieldKind

from customers.model import Contact, Customer, CustomerKind, CustomerStatus, DecisionRole, LifecycleStage, Stance

_NARROWS = "none: narrows what another condition has found"

CUSTOMER_FIELDS = (
    Field("name", FieldKind.REFERENCE, Customer.id, collection="customers", index="pk_customer"),
    Field("kind", FieldKind.ENUM, Customer.kind, choices=tuple(CustomerKind), index=_NARROWS),
    Field("display_name", FieldKind.TEXT, Customer.display_name, sortable=True, index="ix_customer_display_name"),
    Field("credit_code", FieldKind.TEXT, Customer.credit_code, index="uq_customer_credit_code"),
    Field("owner", FieldKind.REFERENCE, Customer.owner_id, collection="users", index="ix_customer_owner"),
    Field(
        "owner_department",
        FieldKind.REFERENCE,
        Customer.owner_department_id,
        collection="departments",
        index=_NARROWS,
    ),
    Field("status", FieldKind.ENUM, Customer.status, choices=tuple(CustomerStatus), index="ix_customer_status"),
    Field(
        "lifecycle_stage",
        FieldKind.ENUM,
        Customer.lifecycle_stage,
        choices=tuple(LifecycleStage),
        index=_NARROWS,
    ),
    Field("industry", FieldKind.TEXT, Customer.industry, index=_NARROWS),
    Field("source", FieldKind.TEXT, Customer.source, index=_NARROWS),
    Field("phones", FieldKind.TEXT_LIST, Customer.phones, index=_NARROWS),
    Field("emails", FieldKind.TEXT_LIST, Customer.emails, index=_NARROWS),
    Field("website", FieldKind.TEXT, Customer.website, index=_NARROWS),
    Field("address.country", FieldKind.TEXT, Customer.country, index=_NARROWS),
    Field("address.province", FieldKind.TEXT, Customer.province, index=_NARROWS),
    Field("address.city", FieldKind.TEXT, Customer.city, index=_NARROWS),
    Field("address.district", FieldKind.TEXT, Customer.district, index=_NARROWS),
    Field("address.street", FieldKind.TEXT, Customer.street, index=_NARROWS),
    Field("address.postal_code", FieldKind.TEXT, Customer.postal_code, index=_NARROWS),
    Field("tags", FieldKind.TEXT_LIST, Customer.tags, index="ix_customer_tags"),
    Field("rule_tags", FieldKind.TEXT_LIST, Customer.rule_tags, index=_NARROWS),
    Field(
        "quality_score",
        FieldKind.NUMBER,
        Customer.quality_score,
        sortable=True,
        index="ix_customer_quality_score",
    ),
    Field("remark", FieldKind.TEXT, Customer.remark, index=_NARROWS),
    Field("external_id", FieldKind.TEXT, Customer.external_id, index="uq_customer_external_id"),
    Field(
        "last_follow_up_time",
        FieldKind.TIME,
        Customer.last_follow_up_time,
        sortable=True,
        index="ix_customer_last_follow_up_time",
    ),
    Field("last_effective_follow_up_time", FieldKind.TIME, Customer.last_effective_follow_up_time, index=_NARROWS),
    Field("creator", FieldKind.TEXT, Customer.creator, index=_NARROWS),
    Field("create_time", FieldKind.TIME, Customer.create_time, sortable=True, index="ix_customer_create_time"),
    Field("update_time", FieldKind.TIME, Customer.update_time, sortable=True, index="ix_customer_update_time"),
)

CONTACT_FIELDS = (
    Field("name", FieldKind.REFERENCE, Contact.id, collection="contacts", index="pk_contact"),
    Field("display_name", FieldKind.TEXT, Contact.display_name, index=_NARROWS),
    Field("job_title", FieldKind.TEXT, Contact.job_title, index=_NARROWS),
    Field("phones", FieldKind.TEXT_LIST, Contact.phones, index=_NARROWS),
    Field("emails", FieldKind.TEXT_LIST, Contact.emails, index=_NARROWS),
    Field("wechat", FieldKind.TEXT, Contact.wechat, index=_NARROWS),
    Field("primary", FieldKind.BOOLEAN, Contact.is_primary, index=_NARROWS),
    Field("remark", FieldKind.TEXT, Contact.remark, index=_NARROWS),
    Field("decision_role", FieldKind.ENUM, Contact.decision_role, choices=tuple(DecisionRole), index=_NARROWS),
    Field("influence", FieldKind.NUMBER, Contact.influence, index=_NARROWS),
    Field("stance", FieldKind.ENUM, Contact.stance, choices=tuple(Stance), index=_NARROWS),
    Field("reports_to", FieldKind.REFERENCE, Contact.reports_to_id, collection="contacts", index=_NARROWS),
    Field("birthday", FieldKind.DATE, Contact.birthday, index=_NARROWS),
    Field("create_time", FieldKind.TIME, Contact.create_time, index=_NARROWS),
    Field("update_time", FieldKind.TIME, Contact.update_time, index=_NARROWS),
)
"""The same for contacts, within the customers that a list names."""
