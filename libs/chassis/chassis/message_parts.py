"""What the fields of a type of messages hold, from its contract."""

from google.protobuf.descriptor import Descriptor, FieldDescriptor


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def part_of(field: FieldDescriptor) -> Descriptor | None:
    """The type of the messages in a field; of a map, of its values. None if it holds none."""
    held: Descriptor | None = field.message_type
    return held.fields_by_name["value"].message_type if held is not None and is_map(field) else held
