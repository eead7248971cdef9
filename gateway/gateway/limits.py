"""How large an operation may be, judged before anything of it is run.

Fragments are counted at each place they are spread, each once computed. Introspection has limits of its own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.errors import Invalid
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_list_type,
)
from graphql.type import GraphQLNonNull

MAX_TOKENS = 2_000
MAX_DEPTH = 15
MAX_ALIASES = 30
MAX_REPEATS = 20
"""How often a field may be repeated in one selection."""
MAX_QUERY_CHARACTERS = 100_000

SIZES = ("first", "limit")
"""The arguments that say how many records a field, or each list below it, may have."""
LIST_SIZE = 10
"""The records that a list without a stated size is taken to have."""
INTROSPECTION_COST = {"__schema": 5_000, "__type": 500}
"""What asking for the schema, or a type of it, counts as."""


@dataclass(frozen=True)
class Shape:
    """How deep a document is, and how many aliases it has."""

    depth: int
    aliases: int


def check_shape(document: DocumentNode) -> None:
    """Raise Invalid if an operation of a document is too deep or has too many aliases."""
    fragments = fragments_of(document)
    known: dict[str, Shape | None] = {}
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode):
            continue
        shape = _shape(definition.selection_set, fragments, known)
        if shape.depth > MAX_DEPTH:
            raise too_deep()
        if shape.aliases > MAX_ALIASES:
            raise _too_many_aliases(f"use at most {MAX_ALIASES} aliases", MAX_ALIASES)


def _too_many_aliases(message: str, limit: int) -> Invalid:
    return Invalid("QUERY_TOO_MANY_ALIASES", message, limit=limit)


def too_deep() -> Invalid:
    """The refusal of a document that is nested too deeply."""
    return Invalid("QUERY_TOO_DEEP", f"nest fields at most {MAX_DEPTH} deep", limit=MAX_DEPTH)


def too_large() -> Invalid:
    """The refusal of a document that is too long."""
    return Invalid("QUERY_TOO_LARGE", f"send at most {MAX_TOKENS} tokens per operation", limit=MAX_TOKENS)


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The fragments of a document by name."""
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def _shape(
    selections: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    known: dict[str, Shape | None],
) -> Shape:
    depth = aliases = 0
    nodes = selections.selections if selections else ()
    _check_repeats(nodes)
    for node in nodes:
        if isinstance(node, FieldNode):
            inner = _shape(node.selection_set, fragments, known)
            if node.name.value.startswith("__"):
                inner = _introspection(inner)
            inner = Shape(inner.depth + 1, inner.aliases + (node.alias is not None))
        elif isinstance(node, FragmentSpreadNode):
            inner = _spread_shape(node.name.value, fragments, known)
        else:
            inner = _shape(getattr(node, "selection_set", None), fragments, known)
        depth, aliases = max(depth, inner.depth), aliases + inner.aliases
    return Shape(depth, aliases)


def _introspection(inner: Shape) -> Shape:
    """How what is asked of the schema counts: it is deep by nature, for which graphql-core has a rule, but has a cost
    however much it is. With aliases, all of the schema could be asked for again and again."""
    if inner.aliases:
        raise _too_many_aliases("use no aliases in __schema and __type", 0)
    return Shape(0, 0)


def _check_repeats(nodes: Iterable[SelectionNode]) -> None:
    """Comparing fields that answer under one name takes time that grows with the square of their number."""
    names = Counter((node.alias or node.name).value for node in nodes if isinstance(node, FieldNode))
    if names and max(names.values()) > MAX_REPEATS:
        raise Invalid("QUERY_TOO_LARGE", f"repeat a field at most {MAX_REPEATS} times", limit=MAX_REPEATS)


def _spread_shape(name: str, fragments: Mapping[str, FragmentDefinitionNode], known: dict[str, Shape | None]) -> Shape:
    if name not in known:
        known[name] = None  # under way: a cycle counts nothing here, validation refuses it
        fragment = fragments.get(name)
        known[name] = _shape(fragment.selection_set if fragment else None, fragments, known)
    return known[name] or Shape(0, 0)


def check_cost(cost: int, limit: int) -> None:
    """Raise Invalid if an operation costs more than the limit."""
    if cost > limit:
        raise Invalid(
            "QUERY_TOO_COSTLY",
            f"the operation may answer with about {cost} fields, more than {limit}: ask for smaller pages",
            cost=cost,
            limit=limit,
        )


class Costs:
    """Reckons what an operation may cost: about the number of fields it may answer with."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._schema = schema
        self._fragments = fragments_of(document)
        self._variables = variables
        self._defaults: dict[str, Any] = {}
        self._spreads: dict[tuple[str, bool], int] = {}
        self.by_variables = False
        """Whether a cost that was reckoned is that of these variables only."""

    def of(self, operation: OperationDefinitionNode) -> int:
        """The cost of an operation. The document must be valid."""
        root = self._schema.get_root_type(operation.operation)
        for variable in operation.variable_definitions or ():
            if isinstance(variable.default_value, IntValueNode):
                self._defaults[variable.variable.name.value] = int(variable.default_value.value)
        return self._selections(operation.selection_set, root, counted=False)

    def _selections(self, selections: SelectionSetNode, parent: Any, *, counted: bool) -> int:
        return sum(self._selection(node, parent, counted) for node in selections.selections)

    def _selection(self, node: SelectionNode, parent: Any, counted: bool) -> int:
        if isinstance(node, FieldNode):
            return self._field(node, parent, counted)
        if isinstance(node, FragmentSpreadNode):
            key = (node.name.value, counted)
            if key not in self._spreads:
                fragment = self._fragments[node.name.value]
                inner = self._schema.get_type(fragment.type_condition.name.value)
                self._spreads[key] = self._selections(fragment.selection_set, inner, counted=counted)
            return self._spreads[key]
        condition: Any = getattr(node, "type_condition", None)
        inner = self._schema.get_type(condition.name.value) if condition else parent
        selection_set: Any = getattr(node, "selection_set", None)
        return self._selections(selection_set, inner, counted=counted)

    def _field(self, node: FieldNode, parent: Any, counted: bool) -> int:
        name = node.name.value
        if name.startswith("__"):
            return INTROSPECTION_COST.get(name, 1)
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) or node.selection_set is None:
            return 1
        field = parent.fields[name]
        sized = next((argument for argument in SIZES if argument in field.args), "")
        size = self._size(node, field, sized) if sized else 1
        if _is_list(field) and not counted:
            size = LIST_SIZE
        inner = self._selections(node.selection_set, get_named_type(field.type), counted=bool(sized))
        return 1 + size * inner

    def _size(self, node: FieldNode, field: GraphQLField, sized: str) -> int:
        given: Any = field.args[sized].default_value
        for argument in node.arguments or ():
            if argument.name.value == sized:
                value = argument.value
                if isinstance(value, IntValueNode):
                    given = int(value.value)
                elif isinstance(value, VariableNode):
                    self.by_variables = True
                    name = value.name.value
                    given = self._variables.get(name, self._defaults.get(name, given))
        # 200.0 is read as 200, too. A size that makes no sense is refused where it is used.
        return max(int(given), 1) if isinstance(given, int | float) and given == given // 1 else 1


def _is_list(field: GraphQLField) -> bool:
    kind = field.type
    return is_list_type(kind.of_type if isinstance(kind, GraphQLNonNull) else kind)
