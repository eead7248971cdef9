"""Judge a condition while it is being written."""

from collections.abc import Mapping, Sequence
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Denied, Invalid

from leads.automation import vocabulary
from leads.automation.expressions import InvalidCondition, Issue, compile_condition
from leads.automation.vocabulary import EVENTS, Variable, variables_for
from leads.model import TriggerKind


def validate(
    session: ServiceSession, expression: str, trigger: Mapping[str, Any]
) -> tuple[Sequence[Issue], Mapping[str, Variable]]:
    """What is wrong with a condition, and what it can name that the caller's roles do not keep from it.

    Raises Denied SCOPE_TOO_NARROW, Invalid INVALID_TRIGGER.
    """
    session.caller.require_everything("automation.configure")
    kind, event = trigger["kind"], trigger.get("event", "")
    if kind not in TriggerKind.__members__ or (kind == TriggerKind.EVENT and event not in EVENTS):
        raise Invalid("INVALID_TRIGGER", "say what starts the rule", field="trigger")
    variables = variables_for(kind, event)
    shown = {name: each for name, each in variables.items() if vocabulary.readable(session.caller, each)}
    try:
        condition = compile_condition(expression, vocabulary.types(variables))
        vocabulary.require_readable_all(session.caller, variables, condition.reads, path="expression")
    except InvalidCondition as error:
        return error.issues, shown
    except Denied as error:
        return [Issue(error.reason, error.message)], shown
    return [], shown
