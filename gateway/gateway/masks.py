"""Which fields an operation asks for, so that services are asked for no others."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionNode

from gateway.context import Info
from gateway.deriver import sources_of

Fragments = Mapping[str, FragmentDefinitionNode]
"""Those of a document, by name."""


def read_mask(info: Info, record: type[Any]) -> FieldMask:
    """The fields of a message that a connection's nodes are asked for (AIP-157), whatever directives say of them.

    Empty, for the whole message, if one of them is not read off the message alone.
    """
    raw: Any = info._raw_info
    fragments: Fragments = raw.fragments
    nodes = list(_below(_below(raw.field_nodes, fragments, "edges"), fragments, "node"))
    nodes += _below(raw.field_nodes, fragments, "nodes")
    sources = sources_of(record)
    asked = {node.name.value for node in selected_below(nodes, fragments)} - {"__typename"}
    if not asked <= sources.keys():
        return FieldMask()
    return FieldMask(paths=sorted({"name", *(sources[name] for name in asked)}))


def _below(nodes: Iterable[FieldNode], fragments: Fragments, name: str) -> Iterator[FieldNode]:
    """The fields of a name that are asked for right below others."""
    return (node for node in selected_below(nodes, fragments) if node.name.value == name)


def selected_below(nodes: Iterable[FieldNode], fragments: Fragments) -> Iterator[FieldNode]:
    """The fields that are asked for right below others, whatever directives say of them."""
    for node in nodes:
        if node.selection_set is not None:
            yield from flattened(node.selection_set.selections, fragments)


def flattened(selections: Iterable[SelectionNode], fragments: Fragments) -> Iterator[FieldNode]:
    """The fields of a selection, those of its fragments included."""
    for selection in selections:
        if isinstance(selection, FieldNode):
            yield selection
        else:
            part: Any = fragments[selection.name.value] if isinstance(selection, FragmentSpreadNode) else selection
            yield from flattened(part.selection_set.selections, fragments)
