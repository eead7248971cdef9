"""What a checked expression of CEL reads and costs, from the form in which the library gives it away: the message
`cel.expr.CheckedExpr` of https://github.com/cel-expr/cel-spec, of which only what is needed here is described."""

from collections.abc import Iterator
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_LIST = 20
"""The most values that lists of records hold, see `chassis.rules.MAX_LIST`; of a change, its fields."""
_MATCHES = 50
"""What it costs to search a text of 5,000 characters by a regular expression, in steps."""

_INT64, _STRING, _MESSAGE = 3, 9, 11
_MESSAGES: dict[str, list[tuple[str, int, str]]] = {
    "Expr": [
        ("const_expr", 3, "Constant"),
        ("ident_expr", 4, "Ident"),
        ("select_expr", 5, "Select"),
        ("call_expr", 6, "Call"),
        ("list_expr", 7, "CreateList"),
        ("struct_expr", 8, "CreateStruct"),
        ("comprehension_expr", 9, "Comprehension"),
    ],
    "Constant": [],
    "Ident": [("name", 1, "string")],
    "Select": [("operand", 1, "Expr")],
    "Call": [("target", 1, "Expr"), ("function", 2, "string"), ("args", 3, "*Expr")],
    "CreateList": [("elements", 1, "*Expr")],
    "CreateStruct": [("entries", 2, "*Entry")],
    "Entry": [("map_key", 3, "Expr"), ("value", 4, "Expr")],
    "Comprehension": [
        ("iter_range", 2, "Expr"),
        ("accu_init", 4, "Expr"),
        ("loop_condition", 5, "Expr"),
        ("loop_step", 6, "Expr"),
        ("result", 7, "Expr"),
    ],
    "Reference": [("name", 1, "string")],
    "ReferenceEntry": [("key", 1, "int64"), ("value", 2, "Reference")],
    "CheckedExpr": [("reference_map", 2, "*ReferenceEntry"), ("expr", 4, "Expr")],
}


def _message() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="checked.proto", package="checked", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            plain = kind.lstrip("*")
            type_ = {"string": _STRING, "int64": _INT64}.get(plain, _MESSAGE)
            added = message.field.add(name=field, number=number, label=3 if kind != plain else 1, type=type_)
            if type_ == _MESSAGE:
                added.type_name = f".checked.{plain}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("checked.CheckedExpr"))


_CHECKED = _message()


def examine(serialized: bytes) -> tuple[frozenset[str], int]:
    """The names that a checked expression refers to, and the most steps that it takes."""
    packed = any_pb2.Any.FromString(serialized)
    checked = _CHECKED.FromString(packed.value)
    names = frozenset(entry.value.name for entry in checked.reference_map if entry.value.name)
    return names, _cost(checked.expr)


def _cost(node: Any) -> int:
    if node.HasField("comprehension_expr"):
        loop = node.comprehension_expr
        times = max(_LIST, len(loop.iter_range.list_expr.elements))
        inside = _cost(loop.loop_condition) + _cost(loop.loop_step)
        return _cost(loop.iter_range) + _cost(loop.accu_init) + times * inside + _cost(loop.result)
    own = _MATCHES if node.call_expr.function == "matches" else 1
    return own + sum(_cost(part) for part in _parts(node))


def _parts(node: Any) -> Iterator[Any]:
    if node.HasField("select_expr"):
        yield node.select_expr.operand
    elif node.HasField("call_expr"):
        if node.call_expr.HasField("target"):
            yield node.call_expr.target
        yield from node.call_expr.args
    elif node.HasField("list_expr"):
        yield from node.list_expr.elements
    elif node.HasField("struct_expr"):
        for entry in node.struct_expr.entries:
            yield from (entry.map_key, entry.value)
