"""What an answer tells once: secrets that are made anew and kept nowhere, marked `told_once` in the contracts."""

from collections.abc import Sequence
from functools import cache

from crm.common.v1 import entity_pb2
from google.protobuf.descriptor import Descriptor


@cache
def told_once(answer: Descriptor) -> Sequence[str]:
    """The names of such fields of an answer."""
    return tuple(field.name for field in answer.fields if field.GetOptions().Extensions[entity_pb2.told_once])
