"""Runs operations: limits first, then the resolvers, then errors in the client's language."""

import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import strawberry
from chassis.errors import Invalid
from chassis.logs import note_routine
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    execute,
    get_operation_ast,
    located_error,
    parse,
    specified_rules,
    subscribe,
    validate,
)

from gateway import limits, metrics
from gateway.context import Context
from gateway.errors import codes, formatted
from gateway.execution import RecordExecutor, reads_of

logger = logging.getLogger(__name__)

CACHED_DOCUMENTS = 500
CACHED_CHARACTERS = 10_000
"""Longer documents are not kept."""
_ERRORS_SHOWN = 10


@dataclass(frozen=True)
class Request:
    """An operation as a client sent it."""

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None = None


@dataclass(frozen=True)
class Operation:
    """An operation that may be run."""

    request: Request
    document: DocumentNode
    node: OperationDefinitionNode

    @property
    def kind(self) -> str:
        """`query`, `mutation` or `subscription`."""
        return self.node.operation.value

    @property
    def name(self) -> str:
        """Its name, for traces and logs."""
        return f"{self.kind} {self.node.name.value if self.node.name else 'anonymous'}"


class Refused(Exception):
    """A request that is not run at all."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True)
class _Document:
    """A document that is valid and not too large."""

    document: DocumentNode
    costs: dict[str, int] = field(default_factory=dict)
    """Name of an operation → its cost, if variables do not say how much is listed."""


class Engine:
    """Prepares and runs operations on one schema."""

    def __init__(self, schema: strawberry.Schema, *, introspection: bool, max_cost: int) -> None:
        self.schema: GraphQLSchema = schema._schema
        self._reads = reads_of(self.schema)
        self._rules = (*specified_rules, *(() if introspection else (NoSchemaIntrospectionCustomRule,)))
        self._max_cost = max_cost
        self._documents: OrderedDict[str, _Document | Refused] = OrderedDict()

    def prepare(self, request: Request) -> Operation:
        """Check an operation. Raises Refused if it is no valid GraphQL or larger than the limits allow."""
        known = self._known(request.query)
        node = get_operation_ast(known.document, request.operation_name)
        if node is None:
            raise Refused([GraphQLError("say by operationName which of the document's operations to run")])
        try:
            limits.check_cost(self._cost(known, node, request.variables), self._max_cost)
        except Invalid as error:
            raise _refused(error) from None
        return Operation(request, known.document, node)

    async def run(self, operation: Operation, context: Context) -> dict[str, Any]:
        """Run a query or mutation. The answer has no `data` if the request itself was at fault."""
        with _observed(operation) as outcome:
            result = execute(
                self.schema,
                operation.document,
                context_value=context,
                variable_values=dict(operation.request.variables),
                operation_name=operation.request.operation_name,
                executor_class=RecordExecutor,
                reads=self._reads,
            )
            result = result if isinstance(result, ExecutionResult) else await result
            result.errors = [*(result.errors or ()), *context.failures] or None
            answer = _answer(result, context.locale)
            outcome.note(answer)
        return answer

    async def listen(self, operation: Operation, context: Context) -> AsyncIterator[dict[str, Any]]:
        """Run a subscription: the answers as they come."""
        with _observed(operation) as outcome:
            stream: Any = subscribe(
                self.schema,
                operation.document,
                context_value=context,
                variable_values=dict(operation.request.variables),
                operation_name=operation.request.operation_name,
            )
            if not isinstance(stream, ExecutionResult) and not hasattr(stream, "__aiter__"):
                stream = await stream
            if isinstance(stream, ExecutionResult):
                yield outcome.note(_answer(stream, context.locale))
                return
            try:
                async for result in stream:
                    yield outcome.note(_answer(result, context.locale))
            except Exception as error:  # noqa: BLE001 - whatever ended the source, the client is told as for a field
                ended = located_error(error, list(operation.node.selection_set.selections), [operation.kind])
                yield outcome.note({"errors": [formatted(ended, context.locale)]})
            finally:
                await stream.aclose()

    def _known(self, query: str) -> _Document:
        found = self._documents.get(query)
        if found is None:
            try:
                found = _Document(self._checked(query))
            except Refused as refused:
                found = refused
            if len(query) <= CACHED_CHARACTERS:
                self._documents[query] = found
                if len(self._documents) > CACHED_DOCUMENTS:
                    self._documents.popitem(last=False)
        else:
            self._documents.move_to_end(query)
        if isinstance(found, Refused):
            raise Refused(found.errors)
        return found

    def _cost(self, known: _Document, node: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        name = node.name.value if node.name else ""
        cost = known.costs.get(name)
        if cost is None:
            costs = limits.Costs(self.schema, known.document, variables)
            cost = costs.of(node)
            if not costs.by_variables:
                known.costs[name] = cost
        return cost

    def _checked(self, query: str) -> DocumentNode:
        try:
            if len(query) > limits.MAX_QUERY_CHARACTERS:
                raise limits.too_large()
            document = parse(query, max_lexical_tokens=limits.MAX_TOKENS, max_comments=limits.MAX_TOKENS)
            limits.check_shape(document)
        except Invalid as error:
            raise _refused(error) from None
        except GraphQLError as error:
            # The parser's own limits have no type of error of their own.
            if "Document contains more than" in error.message:
                raise _refused(limits.too_large()) from None
            if "nested too deeply" in error.message:
                raise _refused(limits.too_deep()) from None
            raise Refused([error]) from None
        errors = validate(self.schema, document, self._rules, max_errors=_ERRORS_SHOWN)
        if errors:
            raise Refused(errors)
        return document


@dataclass
class _Outcome:
    """What came of an operation, for log and metrics."""

    reasons: set[str] = field(default_factory=set)

    def note(self, answer: dict[str, Any]) -> dict[str, Any]:
        self.reasons.update(codes(answer.get("errors", ())))
        return answer


@contextmanager
def _observed(operation: Operation) -> Iterator[_Outcome]:
    started, outcome = time.perf_counter(), _Outcome()
    try:
        yield outcome
    finally:
        seconds = time.perf_counter() - started
        metrics.OPERATIONS.labels(operation.kind, _worst(outcome.reasons)).inc()
        metrics.OPERATION_SECONDS.labels(operation.kind).observe(seconds)
        reasons = sorted(outcome.reasons)
        fields = {"operation": operation.name[:100], "ms": round(seconds * 1000, 1), "reasons": reasons}
        if reasons:
            logger.info("operation", extra=fields)
        else:
            note_routine(logger, "operation", **fields)


def _worst(reasons: Iterable[str]) -> str:
    found = set(reasons)
    return "INTERNAL" if "INTERNAL" in found else "errors" if found else "ok"


def _answer(result: ExecutionResult, locale: str) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if result.errors:
        answer["errors"] = [formatted(error, locale) for error in result.errors]
    # Values of variables that do not fit are noticed before anything runs: no field is at fault then, and none answers.
    if result.data is not None or any(error.path for error in result.errors or ()):
        answer["data"] = result.data
    return answer


def _refused(error: Invalid) -> Refused:
    return Refused([GraphQLError(error.message, original_error=error)])
