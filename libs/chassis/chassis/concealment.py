"""Rules for fields applied to messages: what goes out is hidden or masked, what comes in is refused.

What a message type holds of entities is found once, from its contract, so that a new response is covered as it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.struct_pb2 import Struct

from chassis.callers import Caller
from chassis.entities import EntityField, collections, entities, entity_of, protection_of, restrictable
from chassis.field_rules import (
    CUSTOM,
    FieldEffect,
    FieldRules,
    MaskForm,
    effect_on,
    masked,
    masked_by_look,
    not_writable,
    rule_name,
)
from chassis.message_parts import is_map, part_of
from chassis.structs import to_dict

HIDDEN_FIELDS = "hidden_fields"
"""Where a record says which of its fields are empty because they are hidden."""


class Shape:
    """Where a type of messages holds records or shows what they hold."""

    def __init__(self, message: Descriptor) -> None:
        self.entity = entity_of(message)
        self.fields = restrictable(message) if self.entity else {}
        self.keyed = next((field.name for field in self.fields.values() if field.keyed), "")
        self.shown = [
            (field.name, *shows.split(".", 1)) for field in message.fields if (shows := protection_of(field).shows)
        ]
        self.parts: list[tuple[FieldDescriptor, Shape]] = []
        self.entities: frozenset[str] = frozenset()
        """All entities that a message of this type may hold or show something of."""
        self._tells = HIDDEN_FIELDS in message.fields_by_name

    def conceal(self, message: Any, rules: FieldRules) -> None:
        """Hide and mask in a message what the rules keep from its reader."""
        own = rules.get(self.entity)
        if own is not None:
            for name, effect in own.items():
                if effect >= FieldEffect.MASK:
                    self._conceal_field(message, name, effect)
        for name, entity, shown in self.shown:
            if rules.get(entity, {}).get(shown, 0) >= FieldEffect.MASK:
                message.ClearField(name)
        for field, shape in self.parts:
            if not shape.entities.isdisjoint(rules):
                for part in _held(message, field):
                    shape.conceal(part, rules)

    def _conceal_field(self, message: Any, name: str, effect: FieldEffect) -> None:
        if name.startswith(CUSTOM):
            shown = self.keyed and _conceal_key(getattr(message, self.keyed), name.removeprefix(CUSTOM), effect)
        elif (field := self.fields.get(name)) is None:
            return  # a rule for a field of another release
        else:
            shown = effect == FieldEffect.MASK and _mask(message, field)
            if not shown:
                message.ClearField(name)
        if not shown and self._tells and name not in message.hidden_fields:
            message.hidden_fields.append(name)

    def refuse_unwritable(self, message: Any, rules: FieldRules, mask: Iterable[str] = ()) -> None:
        """Raise Denied FIELD_NOT_WRITABLE if a message states a field that the rules keep from its sender.

        `mask` holds the paths that an update of the record names.
        """
        own = rules.get(self.entity)
        if own:
            for path in mask or self._set(message):
                for name in _restricted(path, own, self.keyed):
                    raise not_writable(self.entity, name, path=path if path != "*" else name)
        for field, shape in self.parts:
            if not shape.entities.isdisjoint(rules):
                paths = message.update_mask.paths if "update_mask" in message.DESCRIPTOR.fields_by_name else ()
                for part in _held(message, field):
                    shape.refuse_unwritable(part, rules, paths)

    def _set(self, message: Any) -> Iterator[str]:
        for field, value in message.ListFields():
            if field.name == self.keyed:
                yield from (f"{self.keyed}.{key}" for key in value.fields)
            else:
                yield field.name


def _restricted(path: str, own: Mapping[str, FieldEffect], keyed: str) -> Iterable[str]:
    """The restricted fields that a path of a field mask includes."""
    if path == "*":
        return own
    head, _, key = path.partition(".")
    if head == keyed and keyed:
        return [name for name in own if name == CUSTOM + key or (not key and name.startswith(CUSTOM))]
    return [head] if head in own else []


def _held(message: Any, field: FieldDescriptor) -> Iterable[Any]:
    value = getattr(message, field.name)
    if is_map(field):
        return value.values()  # type: ignore[no-any-return]
    if field.is_repeated:
        return value  # type: ignore[no-any-return]
    return (value,) if message.HasField(field.name) else ()


def _mask(message: Any, field: EntityField) -> bool:
    """Mask a field in place. False if nothing of it can be shown."""
    if field.form is MaskForm.NOTHING:
        return False
    value = getattr(message, field.name)
    if isinstance(value, str):
        setattr(message, field.name, masked(field.form, value))
    else:
        value[:] = masked(field.form, list(value))
    return True


def _conceal_key(values: Struct, key: str, effect: FieldEffect) -> bool:
    """Hide or mask one of the values by key. Says whether something of it is shown."""
    if key not in values.fields:
        return effect == FieldEffect.MASK
    shown = masked_by_look(to_dict(values)[key]) if effect == FieldEffect.MASK else None
    if shown is None:
        del values.fields[key]
        return False
    values[key] = shown
    return True


_shapes: dict[str, Shape] = {}


def shape_of(message: Descriptor) -> Shape | None:
    """Where messages of a type hold or show something of entities; None if nowhere."""
    held = _entities_in(message, set())
    if not held:
        return None
    shape = _shapes.get(message.full_name)
    if shape is None:
        shape = _shapes[message.full_name] = Shape(message)  # known before its parts: a message may hold its like
        shape.entities = frozenset(held)
        for field in message.fields:
            part = part_of(field)
            if part is not None and (inner := shape_of(part)) is not None:
                shape.parts.append((field, inner))
    return shape


def _entities_in(message: Descriptor, seen: set[str]) -> set[str]:
    if message.full_name in seen:
        return set()
    seen.add(message.full_name)
    found = {entity} if (entity := entity_of(message)) else set()
    for field in message.fields:
        if shows := protection_of(field).shows:
            found.add(shows.partition(".")[0])
        if (part := part_of(field)) is not None:
            found |= _entities_in(part, seen)
    return found


class MethodRules:
    """The rules for fields at one method: of its requests and of its responses."""

    def __init__(self, method: MethodDescriptor) -> None:
        self._request = shape_of(method.input_type)
        self._response = shape_of(method.output_type)

    @classmethod
    def of(cls, name: str) -> "MethodRules":
        """Those of a method by its name, `package.Service/Method`."""
        return cls(Default().FindMethodByName(name.replace("/", ".")))

    def check(self, request: Any, caller: Caller) -> None:
        """Raise Denied FIELD_NOT_WRITABLE if the request states a field that the caller may not change."""
        if self._request is not None and not self._request.entities.isdisjoint(caller.field_rules):
            self._request.refuse_unwritable(request, caller.field_rules)

    def conceal(self, response: Any, caller: Caller) -> None:
        """Hide and mask in a response what the caller may not read."""
        if self._response is not None and not self._response.entities.isdisjoint(caller.field_rules):
            self._response.conceal(response, caller.field_rules)


def conceal(message: Any, caller: Caller) -> None:
    """Hide and mask in a message what the caller may not read, for those that leave by another way than a call."""
    shape = shape_of(message.DESCRIPTOR)
    if shape is not None and caller.field_rules:
        shape.conceal(message, caller.field_rules)


def conceal_value(caller: Caller, entity: str, field: str, value: Any) -> Any:
    """A value as the caller may see it, for files; None if nothing of it. The field is a path as in filters."""
    effect = effect_on(caller, entity, field)
    if effect is None or effect < FieldEffect.MASK:
        return value
    name = rule_name(field)
    known = entities().get(entity, {}).get(name)
    if effect == FieldEffect.HIDE or not (known or name.startswith(CUSTOM)):
        return None
    return masked(known.form, value) if known else masked_by_look(value)


def conceal_json(caller: Caller, entity: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller may see of an entity's values in plain form: a snapshot in the audit log, an event's state.

    The keys are the fields of the contract. A message in a field may also stand there part by part (`city`,
    `address.city`), the company's own fields below `custom` or `custom_fields`. What is hidden is left out.
    """
    rules = caller.field_rules.get(entity, {})
    shown = dict(values)
    for name, effect in rules.items():
        if effect >= FieldEffect.MASK:
            if name.startswith(CUSTOM):
                _conceal_own(shown, name.removeprefix(CUSTOM), effect)
            elif (field := entities().get(entity, {}).get(name)) is not None:
                _conceal_plain(shown, field, effect)
    return shown


def conceal_snapshot(caller: Caller, resource: str, values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The same for what the audit log keeps of a record, known by its resource name; as it is if it is of no entity."""
    if values is None:
        return None
    entity = collections().get(resource.partition("/")[0], "")
    return conceal_json(caller, entity, values) if entity in caller.field_rules else dict(values)


def _conceal_plain(values: dict[str, Any], field: EntityField, effect: FieldEffect) -> None:
    for part in field.parts:
        values.pop(part, None)
        values.pop(f"{field.name}.{part}", None)
    value = values.get(field.name)
    shown = masked(field.form, value) if effect == FieldEffect.MASK else None
    if shown is None:
        values.pop(field.name, None)
    else:
        values[field.name] = shown


def _conceal_own(values: dict[str, Any], key: str, effect: FieldEffect) -> None:
    for where in ("custom", "custom_fields"):
        own = values.get(where)
        if isinstance(own, Mapping) and key in own:
            shown = masked_by_look(own[key]) if effect == FieldEffect.MASK and own[key] is not None else None
            values[where] = {**own, key: shown} if shown is not None else {k: v for k, v in own.items() if k != key}


__all__ = ["MethodRules", "Shape", "conceal", "conceal_json", "conceal_snapshot", "conceal_value", "shape_of"]
