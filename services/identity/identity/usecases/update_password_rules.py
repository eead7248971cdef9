"""Change what is asked of passwords."""

from collections.abc import Set
from dataclasses import fields

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from identity.model import StoredPasswordRules
from identity.password_rules import PasswordRules, rules_of, stored_rules

FIELDS = frozenset(field.name for field in fields(PasswordRules))


def update_password_rules(
    session: ServiceSession, wanted: dict[str, object], paths: Set[str], etag: str
) -> StoredPasswordRules:
    """Change the rules at `paths` to what is wanted. Raises Invalid if they make no sense."""
    session.caller.require_everything("password_rules.update")
    stored = stored_rules(session, lock=True)
    check_etag(etag, stored.version)
    present = rules_of(stored)
    made = PasswordRules(**{name: wanted[name] if name in paths else getattr(present, name) for name in FIELDS})  # type: ignore[arg-type]
    before = stored.snapshot()
    stored.min_length, stored.history_count, stored.expire_days = made.min_length, made.history_count, made.expire_days
    stored.required_classes = [kind.value for kind in made.required_classes]
    after = stored.snapshot()
    if after != before:
        stored.version += 1
        session.flush()
        audit.record(session, "password_rules.update", "passwordRules", before, after)
    return stored
