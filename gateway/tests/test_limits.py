"""Operations that are too large are refused before anything of them is run."""

import time

import pytest
from chassis.errors import Invalid
from gateway.limits import Costs, check_shape
from gateway.schema import make_schema
from graphql import get_introspection_query, get_operation_ast, parse
from world import TOKEN

pytestmark = pytest.mark.anyio


def nested(depth):
    return "{ me " + "{ department { head " * (depth // 2) + "{ id }" + " } }" * (depth // 2) + " }"


async def test_deep_query_is_refused_fast(suite):
    started = time.process_time()
    refused = await suite.refused(nested(50), token="")
    assert (refused["code"], refused["reason"]) == ("INVALID_ARGUMENT", "QUERY_TOO_DEEP")
    assert time.process_time() - started < 5
    assert (await suite.refused("{ me " * 3000 + "{ id }" + "}" * 3000))["reason"] in (
        "QUERY_TOO_DEEP",
        "QUERY_TOO_LARGE",
    )


async def test_long_query_is_refused_fast(suite):
    started = time.process_time()
    response = await suite.http.post("/graphql", json={"query": "{ me { id } }" + " " * 10_000_000})
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["reason"] == "BODY_TOO_LARGE"
    assert time.process_time() - started < 10
    assert (await suite.refused("{ " + "me { id } " * 2000 + "}"))["reason"] == "QUERY_TOO_LARGE"
    assert (await suite.refused("{ me { id } } #" + "x" * 200_000))["reason"] == "QUERY_TOO_LARGE"


async def test_body_without_a_stated_length_is_cut_off(suite):
    async def endless():
        for _ in range(20):
            yield b" " * 100_000

    response = await suite.http.post("/graphql", content=endless(), headers={"content-type": "application/json"})
    assert response.status_code == 413


async def test_aliases_are_counted_where_fragments_are_spread(suite):
    query = "{ " + " ".join(f"a{n}: me {{ id }}" for n in range(31)) + " }"
    assert (await suite.refused(query))["reason"] == "QUERY_TOO_MANY_ALIASES"
    spread = (
        "{ "
        + " ".join(f"a{n}: me {{ ...F }}" for n in range(4))
        + " } fragment F on User { "
        + " ".join(f"b{n}: id" for n in range(8))
        + " }"
    )
    assert (await suite.refused(spread))["reason"] == "QUERY_TOO_MANY_ALIASES"


async def test_fragments_that_multiply_are_counted_in_no_time():
    fragments = "".join(f"fragment F{n} on User {{ ...F{n + 1} ...F{n + 1} a: id }} " for n in range(60))
    with pytest.raises(Invalid, match="aliases"):
        check_shape(parse("{ me { ...F0 } } " + fragments + "fragment F60 on User { id }"))


async def test_fragments_in_a_circle_are_refused(suite):
    query = "{ me { ...A } } fragment A on User { ...B } fragment B on User { ...A }"
    answer = (await suite.post(query)).json()
    assert {error["extensions"]["reason"] for error in answer["errors"]} == {"INVALID_GRAPHQL"}


def cost_of(query, variables=None):
    schema = make_schema()._schema
    document = parse(query)
    return Costs(schema, document, variables or {}).of(get_operation_ast(document))


def test_cost_grows_with_the_sizes_of_pages():
    query = "query($n: Int = 7) { customers(first: $n) { nodes { id name contacts { id } } } }"
    small, large = cost_of(query, {"n": 10}), cost_of(query, {"n": 200})
    assert large > 15 * small
    assert (
        cost_of("{ customers(first: 200) { nodes { ...F } } } fragment F on Customer { id name contacts { id } }")
        == large
    )


def test_cost_of_a_search_grows_with_what_it_may_find():
    query = (
        'query($n: Int! = 10) { search(query: "x", limit: $n) { customers { customer { id name contacts { id } } } } }'
    )
    assert cost_of(query, {"n": 50}) > 4 * cost_of(query)
    assert cost_of(query) == cost_of(query.replace(", limit: $n", ""))


@pytest.mark.parametrize("given", [{"n": 200.0}, {}])
def test_cost_is_that_of_the_page_that_will_be_read(given):
    query = "query($n: Int! = %s) { customers(first: $n) { nodes { id } } }"
    assert cost_of(query % 200, given) == cost_of(query % 50, {"n": 200})
    assert cost_of(query % 200, {"n": float("inf")}) == cost_of(query % 200, {"n": "x"}) == cost_of(query % 1)


async def test_costly_query_is_refused_before_it_runs(suite):
    query = (
        "{ "
        + " ".join(f"a{n}: customers(first: 200) {{ nodes {{ id name contacts {{ id name }} }} }}" for n in range(9))
        + " }"
    )
    refused = await suite.refused(query)
    assert refused["reason"] == "QUERY_TOO_COSTLY"
    assert not suite.world.calls


async def test_cost_of_an_operation_that_is_known_is_that_of_its_variables(suite):
    query = """query Some { customers(first: 1) { nodes { id } } }
    query Sized($n: Int!) { """
    query += (
        " ".join(f"a{n}: customers(first: $n) {{ nodes {{ id contacts {{ id name }} }} }}" for n in range(9)) + " }"
    )
    for name, size, reason in [
        ("Sized", 1, None),
        ("Sized", 200, "QUERY_TOO_COSTLY"),
        ("Some", 200, None),
        ("Sized", 1, None),
        ("Sized", 200, "QUERY_TOO_COSTLY"),
        ("Some", 1, None),
    ]:
        body = {"query": query, "variables": {"n": size}, "operationName": name}
        answer = (await suite.http.post("/graphql", json=body, headers={"authorization": TOKEN})).json()
        assert [error["extensions"]["reason"] for error in answer.get("errors", ())] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("query", "reasons"),
    [
        ("{ __schema { a: types { name } types { name } } }", ["QUERY_TOO_MANY_ALIASES"]),
        ('{ __type(name: "ID") { ...F } } fragment F on __Type { a: name }', ["QUERY_TOO_MANY_ALIASES"]),
        ("{ schema: __schema { types { __typename name } } kind: __typename }", []),
        (get_introspection_query(), []),
    ],
)
async def test_parts_of_the_schema_are_asked_for_once_each(suite, query, reasons):
    answer = (await suite.post(query)).json()
    assert [error["extensions"]["reason"] for error in answer.get("errors", ())] == reasons


async def test_schema_can_be_kept_to_oneself(gateway_of):
    query = {"query": "{ __schema { queryType { name } } }"}
    async with gateway_of({"IDENTITY_TARGET": "127.0.0.1:1"}) as client:
        assert (await client.post("/graphql", json=query)).json()["data"]
    async with gateway_of({"IDENTITY_TARGET": "127.0.0.1:1", "GATEWAY_INTROSPECTION": "0"}) as client:
        assert "errors" in (await client.post("/graphql", json=query)).json()


async def test_fields_that_repeat_are_refused_before_they_are_compared(suite):
    started = time.process_time()
    assert (await suite.refused("{ " + "me { id } " * 300 + "}"))["reason"] == "QUERY_TOO_LARGE"
    assert time.process_time() - started < 5
