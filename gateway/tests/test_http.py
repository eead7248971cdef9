"""GraphQL over HTTP, as its specification has it; the other things that are served."""

import pytest

pytestmark = pytest.mark.anyio

RESPONSE = "application/graphql-response+json"
JSON = "application/json"


async def test_answer_has_the_media_type_that_is_accepted(suite):
    for accept, media_type in (
        (RESPONSE, RESPONSE),
        (JSON, JSON),
        ("*/*", JSON),
        (f"{JSON};q=0.5, {RESPONSE}", RESPONSE),
    ):
        response = await suite.post("{ __typename }", accept=accept)
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert (await suite.post("{ __typename }", accept="image/png")).status_code == 406


@pytest.mark.parametrize(
    ("body", "status", "old_status"),
    [
        ({"query": "{"}, 400, 200),
        ({"query": "{ nothing }"}, 400, 200),
        ({"query": "query($n: Int!) { __typename @skip(if: false) customers(first: $n) { nodes { id } } }"}, 400, 200),
        ({"query": "query A { __typename } query B { __typename }"}, 400, 200),
        ({"query": "{ me { name } }"}, 200, 200),
        ({"query": "subscription { notifications { id } }"}, 400, 400),
        ({}, 400, 400),
        ({"query": 1}, 400, 400),
        ({"query": "{ __typename }", "variables": []}, 400, 400),
        ({"query": "{ __typename }", "operationName": {}}, 400, 400),
        ({"query": "{ __typename }", "extensions": "x"}, 400, 400),
        ([{"query": "{ __typename }"}], 400, 400),
    ],
)
async def test_status_says_whether_the_request_was_at_fault(suite, body, status, old_status):
    for accept, expected in ((RESPONSE, status), (JSON, old_status)):
        response = await suite.http.post("/graphql", json=body, headers={"accept": accept})
        assert response.status_code == expected
        answer = response.json()
        assert "errors" in answer
        assert ("data" in answer) is (body == {"query": "{ me { name } }"})


async def test_body_must_be_json(suite):
    response = await suite.http.post("/graphql", content=b"\xff{", headers={"content-type": JSON})
    assert response.status_code == 400
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = await suite.http.post(
            "/graphql", content=b'{"query":"{__typename}"}', headers={"content-type": media_type}
        )
        assert response.status_code == 415


async def test_queries_come_by_get_and_mutations_do_not(suite):
    assert (await suite.http.get("/graphql", params={"query": "{ __typename }"})).json() == {
        "data": {"__typename": "Query"}
    }
    params = {"query": "query($t: Boolean!) { __typename @include(if: $t) }", "variables": '{"t": true}'}
    assert (await suite.http.get("/graphql", params=params)).json()["data"]
    response = await suite.http.get("/graphql", params={"query": 'mutation { logout(input: {refreshToken: "x"}) }'})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (await suite.http.get("/graphql", params={"query": "{ __typename }", "variables": "x"})).status_code == 400
    assert (await suite.http.put("/graphql", json={})).status_code == 405
    assert not suite.world.calls


async def test_browser_is_shown_a_page_that_loads_nothing_from_elsewhere(suite):
    for path in ("/", "/graphql"):
        response = await suite.http.get(path, headers={"accept": "text/html,*/*"})
        assert response.headers["content-type"].startswith("text/html")
        assert "http://" not in response.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in response.text
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    assert len(response.content) < 200 * 1024


async def test_process_says_how_it_is(suite):
    assert (await suite.http.get("/livez")).text == "ok\n"
    assert (await suite.http.get("/readyz")).json()["ready"] in (True, False)
    await suite.post("{ customers(first: 1) { nodes { id } } }")
    assert "graphql_operations_total" in (await suite.http.get("/metrics")).text
    assert (await suite.http.get("/.well-known/jwks.json")).json() == {"keys": []}
    await suite.servers["identity"].stop(0)
    assert (await suite.http.get("/.well-known/jwks.json")).json() == {"keys": []}
