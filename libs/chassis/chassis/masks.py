"""Which fields an update changes: field masks (AIP-161) for partial updates (AIP-134)."""

from collections.abc import Set
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.errors import Invalid
from chassis.message_parts import is_map


def changed_paths(message: Message, mask: FieldMask, allowed: Set[str]) -> set[str]:
    """The paths of the fields that an update changes.

    `allowed` holds the paths that may change; each includes what lies below it: with `address`, `address.city`
    may change, and with `custom_fields`, a map or Struct, `custom_fields.{key}` may.
    Without a mask these are the allowed fields that are set in the message, so that a client may send back a
    record as it read it. The mask `*` means all allowed fields, set or not.
    Raises Invalid INVALID_FIELD_MASK for a path that does not exist or may not change.
    """
    if not mask.paths:
        return {path for path in allowed if _is_set(message, path)}
    if list(mask.paths) == ["*"]:
        return set(allowed)
    paths = set(mask.paths)
    for path in sorted(paths):
        if not _exists(cast(Descriptor, message.DESCRIPTOR), path):
            raise _invalid(f"there is no field {path[:100]!r}")
        if not any(prefix in allowed for prefix in _prefixes(path)):
            raise _invalid(f"the field {path!r} cannot be changed")
    return {path for path in paths if not any(prefix in paths for prefix in _prefixes(path)[:-1])}


def _invalid(message: str) -> Invalid:
    return Invalid("INVALID_FIELD_MASK", message, field="update_mask")


def _prefixes(path: str) -> list[str]:
    """The path's ancestors, outermost first, and the path itself."""
    parts = path.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _is_set(message: Message, path: str) -> bool:
    name, _, rest = path.partition(".")
    field = message.DESCRIPTOR.fields_by_name[name]
    if rest:
        return bool(message.HasField(name)) and _is_set(getattr(message, name), rest)
    return any(present.name == field.name for present, _ in message.ListFields())


def _exists(descriptor: Descriptor, path: str) -> bool:
    name, _, rest = path.partition(".")
    field = descriptor.fields_by_name.get(name)
    if field is None:
        return False
    if not rest:
        return not path.endswith(".")
    if _is_keyed(field):
        return "." not in rest
    return field.message_type is not None and not field.is_repeated and _exists(field.message_type, rest)


def _is_keyed(field: FieldDescriptor) -> bool:
    """Whether what follows in a path is a key of the value, not a field of a message."""
    kind = field.message_type
    return is_map(field) or (kind is not None and kind.full_name == "google.protobuf.Struct")
