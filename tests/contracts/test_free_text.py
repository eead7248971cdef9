"""Every column that can hold words is searched on erasure, goes with the record that it belongs to, or holds none of a
person: nobody can add one without saying which."""

from importlib import import_module

import pytest
from chassis.db import ChassisTables
from chassis.personal_data.texts import all_texts
from local_suite.layout import SERVICES
from sqlalchemy import JSON, String
from sqlalchemy.dialects.postgresql import ARRAY

ERASED = {
    "customers": {
        "contact": "display_name job_title phones emails wechat decision_role stance search_text identity_number_shown",
        "customer": "display_name name_key phones emails website district street postal_code external_id search_text "
        "identity_number_shown",
        "customer_merge": "snapshot",
        "known_user": "username display_name",
        "timeline_entry": "resource summary details",
    },
    "identity": {
        "former_password": "password_hash",
        "linked_identity": "issuer subject",
        "login_session": "agent address",
        "partner": "contact_name contact_phone contact_email",
        "user_account": "username display_name email phone login_phone password_hash",
        "user_settings": "time_zone switches web_layout mobile_layout",
    },
    "leads": {
        "call": "phone recording_url",
        "call_event": "details",
        "follow_up": "content check_in",
        "known_customer": "display_name company_key credit_code",
        "lead": "company_name company_key contact_name phones emails wechat search_text",
        "offline_operation": "conflict",
    },
    "chassis": {
        "audit_entry": "before after",
        "job_error": "problems cells",
        "outbox": "data",
        "outgoing_mail": "recipient subject last_error",
    },
}
"""What goes with the person, by table."""

IMPERSONAL = {
    "customers": {
        "classification_change": "aspect before after origin actor",
        "customer": "kind credit_code owner_department_path status level industry source country province city tags "
        "rule_tags lifecycle_stage creator",
        "customer_merge": "counts creator",
        "customer_relation": "kind creator",
        "customer_standing": "source",
        "customer_theatre": "owner_department_path",
        "duplicate_group": "members_key reasons state",
        "duplicate_settings": "policy",
        "field_template": "entity kind fields",
        "holding_change": "kind actor reason rule",
        "known_department": "display_name path",
        "known_user": "department_path",
        "merged_row": "source",
        "offline_claim": "department_path state reason",
        "pool": "display_name condition hidden_fields",
        "pool_allocation": "state strategy shares failure_reason failure_message creator",
        "pool_allocation_item": "reason",
        "pool_allocation_setting": "value_field schedule",
        "pool_member": "grantee role",
        "pool_rule_version": "rules creator",
        "purchase": "source external_id kind currency recorder",
        "quality_weights": "kind weights",
        "recycle_extension": "state decider",
        "recycle_run": "state",
        "rfm_policy": "base method",
        "rfm_run": "base method state failure_reason creator",
        "rfm_score": "segment type",
        "tag": "display_name colour tag_group rule creator",
        "tier": "code display_name colour rule creator",
        "tier_lock": "locker",
        "timeline_entry": "kind source actor",
    },
    "identity": {
        "account_token": "purpose",
        "client": "client_id display_name stored_grants allowed_addresses last_address",
        "company_day": "display_name windows",
        "department": "display_name path",
        "identity_provider": "display_name issuer client_id scopes redirect_uris matching email_domains",
        "legal_hold": "subject records creator",
        "login_challenge": "method",
        "login_session": "method",
        "offboarding": "state departments creator",
        "offboarding_part": "service entity state attached failure_reason failure_message",
        "organisation_profile": "display_name credit_code locale currency time_zone statutory_calendar weekly "
        "logo_type logo_digest",
        "partner": "display_name",
        "password_rules": "required_classes",
        "pending_sign_in": "redirect_uri nonce",
        "personal_data_part": "service found erased held kept",
        "personal_data_request": "kind subject state creator",
        "revocation": "subject",
        "role": "display_name stored_grants stored_field_rules",
        "saved_view": "entity columns order_by",
        "user_account": "department_path state locale",
    },
    "leads": {
        "call": "direction provider provider_call_id state outcome candidates failure_reason assignee_department_path",
        "call_event": "digest",
        "company_rules": "kind rules",
        "subject_position": "setter",
        "visit": "device geofence ended_by trust_reasons review_state reviewer assignee_department_path",
        "visit_photo": "digest content_type object_key",
        "capture_source": "display_name kind lead_fields default_source default_channel default_medium "
        "default_campaign allowed_origins honeypot opt_in_subject opt_in_text feed feed_marks creator",
        "capture_submission": "state content_type corrector",
        "feed_poll": "reason message",
        "assignment_round": "facts",
        "assignment_rule": "display_name condition strategy required_skills outside_hours creator",
        "automation_rule": "display_name state trigger_kind trigger condition actions suspension_reason",
        "automation_run": "rule_name occasion record event outcome reason message read_values results",
        "automation_cause": "steps",
        "automation_delivery": "record event url fields state last_error",
        "known_role": "grants field_rules",
        "known_holder": "roles",
        "follow_up": "method author theatre verdict verdict_reasons joint_theatre",
        "follow_up_rules": "rules",
        "known_customer": "owner_department_path",
        "known_department": "path",
        "plan": "kind organiser time_zone recurrence status assignee_department_path",
        "plan_deviation": "status",
        "plan_participant": "response",
        "plan_rules": "rules",
        "known_theatre": "theatre owner_department_path",
        "known_user": "department_path",
        "moved_record": "kind",
        "task": "creator priority status recurrence ender assignee_department_path",
        "playbook": "display_name description filter creator",
        "playbook_version": "content creator",
        "stage_stay": "stage_title actor",
        "template_use": "occasion",
        "escalation_policy": "display_name subject steps",
        "escalation": "action assignee_department_path",
        "escalation_notice": "kind",
        "offline_operation": "subject kind state reason field record",
        "scoring_rules": "rules",
        "scoring_model": "weights measures",
        "record_change": "kind department_path grantee",
        "lead": "credit_code source channel industry province city status status_reason owner_department_path "
        "registrant registration_state grade",
        "lead_conversion": "state creator",
        "lead_event": "kind actor before after reason",
        "lead_rules": "rules",
        "lead_absence": "creator",
        "lead_assignment": "outcome cause reason acceptance detail",
        "lead_capacity": "regions skills hours",
        "waiting_lead": "reason cause",
    },
    "chassis": {
        "audit_entry": "actor action resource request_id trace_id",
        "custom_field": "entity key label type help_text default_value minimum maximum currency collection pattern "
        "expression result_type rollup",
        "custom_serial": "around",
        "deleted_record": "record",
        "handover_item": "state",
        "handover_task": "offboarding entity actor state attached failure_reason failure_message",
        "idempotency_claim": "subject method",
        "inbox_claim": "handler",
        "job": "kind state creator caller traceparent counters failure_reason",
        "known_legal_hold": "records",
        "known_organisation": "state",
        "outbox": "type subject traceparent",
        "outgoing_mail": "state",
        "record_share": "entity grantee level creator",
        "state_request": "handler event",
        "timer_run": "name",
    },
}
"""What names no person: codes, names of the company's own things, and conditions by which it sorts records."""


def words(metadata):
    """The columns that can hold words."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            kind = column.type.item_type if isinstance(column.type, ARRAY) else column.type
            if isinstance(kind, String | JSON):
                yield column


def listed(of: dict[str, str]) -> set[str]:
    return {f"{table}.{column}" for table, columns in of.items() for column in columns.split()}


DESCRIBED = {service: import_module(f"{service}.main").SERVICE for service in SERVICES}


@pytest.mark.parametrize("whose", [*SERVICES, "chassis"])
def test_every_column_of_words_is_reached_by_an_erasure_or_tells_of_nobody(whose):
    if whose == "chassis":
        metadata, texts = ChassisTables.metadata, all_texts(())
    else:
        described = DESCRIBED[whose]
        metadata, texts = described.entities.metadata, described.personal_data.texts
    searched = {text.kind for text in texts}
    columns = {str(column) for column in words(metadata)}
    stated = listed(ERASED[whose]) | listed(IMPERSONAL[whose])
    assert columns - searched - stated == set(), "list it in PersonalData.texts of the service, or say here why not"
    assert stated - columns == set(), "there is no such column any more"
    assert searched & stated == set()
