"""Operations that are too large are refused before anything of them is run."""

import time

import pytest
from chassis.errors import Invalid
from gateway.limits import Costs, check_shape
from gateway.schema import make_schema
from graphql import get_operation_ast, parse

pytestmark = pytest.mark.anyio


def nested(depth):
    return "{ me " + "{ department { head " * (depth // 2) + "{ id }" + " } }" * (depth // 2) + " }"


async def test_deep_query_is_refused_fast(suite):
    started = time.perf_counter()
    refused = await suite.refused(nested(50), token="")
    assert (refused["code"], refused["reason"]) == ("INVALID_ARGUMENT", "QUERY_TOO_DEEP")
    assert time.perf_counter() - started < 0.5
    assert (await suite.refused("{ me " * 3000 + "{ id }" + "}" * 3000))["reason"] in (
        "QUERY_TOO_DEEP",
        "QUERY_TOO_LARGE",
    )


async def test_long_query_is_refused_fast(suite):
    started = time.perf_counter()
    response = await suite.http.post("/graphql", json={"query": "{ me { id } }" + " " * 10_000_000})
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["reason"] == "BODY_TOO_LARGE"
    assert time.perf_counter() - started < 2
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
    try:
        Costs(schema, document, variables or {}).check(get_operation_ast(document), 0)
    except Invalid as error:
        return int(error.details["cost"])


def test_cost_grows_with_the_sizes_of_pages():
    query = "query($n: Int = 7) { customers(first: $n) { nodes { id name contacts { id } } } }"
    small, large = cost_of(query, {"n": 10}), cost_of(query, {"n": 200})
    assert large > 15 * small
    assert (
        cost_of("{ customers(first: 200) { nodes { ...F } } } fragment F on Customer { id name contacts { id } }")
        == large
    )


async def test_costly_query_is_refused_before_it_runs(suite):
    query = (
        "{ "
        + " ".join(f"a{n}: customers(first: 200) {{ nodes {{ id name contacts {{ id name }} }} }}" for n in range(9))
        + " }"
    )
    refused = await suite.refused(query)
    assert refused["reason"] == "QUERY_TOO_COSTLY"
    assert not suite.world.calls


async def test_schema_can_be_kept_to_oneself(gateway_of):
    query = {"query": "{ __schema { queryType { name } } }"}
    async with gateway_of({"IDENTITY_TARGET": "127.0.0.1:1"}) as client:
        assert (await client.post("/graphql", json=query)).json()["data"]
    async with gateway_of({"IDENTITY_TARGET": "127.0.0.1:1", "GATEWAY_INTROSPECTION": "0"}) as client:
        assert "errors" in (await client.post("/graphql", json=query)).json()


async def test_fields_that_repeat_are_refused_before_they_are_compared(suite):
    started = time.perf_counter()
    assert (await suite.refused("{ " + "me { id } " * 300 + "}"))["reason"] == "QUERY_TOO_LARGE"
    assert time.perf_counter() - started < 0.5
