"""Leads are scored by the company's rules as things happen, and the score is explained, through GraphQL."""

from uuid import uuid4

from chassis.testing import eventually

CREATE = "mutation($input: CreateLeadInput!) { createLead(input: $input) { id } }"
LEAD = "query($id: ID!) { lead(id: $id) { score grade } }"
EXPLAIN = "query($id: ID!) { explainLeadScore(lead: $id) { score grade byModel factors { title points } } }"
UPDATE = "mutation($input: UpdateScoringRulesInput!) { updateScoringRules(input: $input) { etag } }"


def test_a_lead_is_scored_by_the_rules_and_the_score_names_its_factors(admin):
    source = f"评分{uuid4().hex[:8]}"
    rules = admin.run("{ scoringRules { fit { title filter points } gradeA gradeB gradeC } }")["scoringRules"]
    of_source = {"condition": {"field": "source", "operator": "EQUAL", "values": [source]}}
    own = {"title": source, "points": 60, "filter": of_source}
    # Only the leads of this test meet the rule that is added.
    admin.run(UPDATE, input={"fit": [*rules["fit"], own]})
    try:
        lead = admin.run(CREATE, input={"companyName": f"评分{uuid4().hex}", "source": source})["createLead"]["id"]
        scored = eventually(lambda: (told := admin.run(LEAD, id=lead)["lead"])["grade"] and told, timeout=30)
        told = admin.run(EXPLAIN, id=lead)["explainLeadScore"]
        assert (told["score"], told["grade"], told["byModel"]) == (scored["score"], scored["grade"], False)
        assert told["factors"][0] == {"title": source, "points": 60}
        assert round(sum(one["points"] for one in told["factors"])) == told["score"]
        ranked = 'query($f: FilterInput) { leads(filter: $f, orderBy: { field: "score" }) { nodes { id } } }'
        best = {"condition": {"field": "score", "operator": "GREATER_OR_EQUAL", "values": [60]}}
        found = admin.run(ranked, f={"all": [of_source, best]})["leads"]["nodes"]
        assert found == [{"id": lead}]
    finally:
        admin.run(UPDATE, input={"fit": rules["fit"]})
