"""`make demo`: the main job told with real calls to the running suite, and their answers."""

import json
import sys
import time
from datetime import datetime
from typing import Any

from local_suite.graphql import JSON, GraphQLClient, GraphQLError
from local_suite.layout import RunFolder

PATIENCE = 10.0

CREATE = """mutation Create($input: CreateCustomerInput!) {
  createCustomer(input: $input) { id name phones owner { name } ownerDepartment { name } }
}"""
CONTACT = "mutation Contact($input: CreateContactInput!) { createContact(input: $input) { name jobTitle phones } }"
LOG = "mutation Log($input: LogFollowUpInput!) { logFollowUp(input: $input) { id method content } }"
SEARCH = "query Search($text: String) { customers(search: $text, first: 3) { totalCount nodes { id name } } }"
PICTURE = """query Picture($id: ID!) {
  customer360(id: $id) {
    profile { asOf customer { name status level phones } }
    owner { user { name } }
    contacts { nodes { name jobTitle } }
    followUps { source status nodes { method content nextContactTime author { name } } }
    timeline { status confidence freshness { source missing lagSeconds } nodes { kind source summary occurTime } }
  }
}"""
IMPORT = "mutation Import($file: Upload!) { importCustomers(file: $file) { id } }"
PROGRESS = """subscription Progress($id: ID!) {
  importProgress(id: $id) { state processedRows createdRows failedRows firstErrors { row field reason message } }
}"""


class Story:
    """Runs calls and prints them with their answers."""

    def __init__(self) -> None:
        environment = RunFolder.chosen().read("environment")
        if not environment:
            sys.exit("run `make up` first")
        self.people_password = environment.get("SAMPLE_PASSWORD", "")
        self.url = environment["GATEWAY_URL"]
        self.admin = GraphQLClient(self.url).sign_in("admin", environment["BOOTSTRAP_ADMIN_PASSWORD"])
        self.mark = f"{datetime.now():%d%H%M%S}"  # noqa: DTZ005 - for the eye only

    def tell(self, text: str) -> None:
        """Say what comes next."""
        print(f"\n── {text}")

    def show(self, client: GraphQLClient, document: str, **variables: Any) -> JSON:
        """Run an operation and print it with its answer."""
        print(f"   {' '.join(document.split())}")
        if variables:
            print(f"   {json.dumps(variables, ensure_ascii=False, default=str)}")
        try:
            data = client.run(document, **variables)
        except GraphQLError as error:
            for each in error.errors:
                print(f"   ✗ {each['extensions']['code']} {each['extensions']['reason']}: {each['message']}")
            return {}
        print(_indented(data))
        return data

    def people(self) -> dict[str, list[JSON]]:
        """The sample's people by department."""
        query = "{ users(first: 200) { nodes { username name department { name } roles { name } } } }"
        found: dict[str, list[JSON]] = {}
        for user in self.admin.run(query)["users"]["nodes"]:
            if user["department"]:
                found.setdefault(user["department"]["name"], []).append(user)
        return found

    def sign_in(self, person: JSON) -> GraphQLClient:
        """A client that speaks as one of the sample's people."""
        print(f"   signed in as {person['name']} ({person['username']})")
        return self.admin.sign_in(person["username"], self.people_password)


def _indented(data: JSON) -> str:
    text = json.dumps(data, ensure_ascii=False, indent=2)
    return "\n".join(f"   │ {line}" for line in text.splitlines())


def _holding(people: list[JSON], role: str) -> JSON:
    return next(person for person in people if any(held["name"] == role for held in person["roles"]))


def main() -> None:
    """Tell the story."""
    story = Story()
    people = story.people()
    if "华东战区" not in people:
        sys.exit("the demonstration needs the sample company: `make reset`, then `make up`")
    rep, manager = (_holding(people["华东战区"], role) for role in ("销售代表", "销售经理"))

    story.tell("A sales rep of the eastern theatre enters a customer. Phones are kept in one form.")
    client = story.sign_in(rep)
    name = f"上海演示{story.mark}精密机械有限公司"
    phone = f"021-58{int(story.mark) % 10**6:06d}"
    created = story.show(client, CREATE, input={"name": name, "phones": [phone], "level": "A", "status": "ENGAGED"})
    customer = created["createCustomer"]["id"]
    contact = {"customerId": customer, "name": "周敏", "jobTitle": "采购经理", "phones": ["138 0013 8000"]}
    story.show(client, CONTACT, input=contact)

    story.tell("The same company a second time is refused.")
    story.show(client, CREATE, input={"name": name.replace("有限", " 有限")})

    story.tell("It is found by a part of its name, by pinyin initials, and by the tail of its phone number.")
    for text in (f"{story.mark}精密", f"{story.mark}jmjx", phone[-6:]):
        story.show(client, SEARCH, text=text)

    story.tell(
        "The rep logs a visit. The service `leads` keeps it and announces it; `customers` puts it on the timeline."
    )
    story.show(client, LOG, input={"customerId": customer, "method": "VISIT", "content": "看了车间，周二提交方案"})
    trace = client.last.headers["x-trace-id"] if client.last else ""
    _await_timeline(client, customer)

    story.tell("Everything about the customer, from all services, in one query.")
    story.show(client, PICTURE, id=customer)

    story.tell("The manager of the theatre sees it. A rep of the southern theatre does not even learn that it exists.")
    profile = "query One($id: ID!) { customer(id: $id) { name owner { name } } }"
    story.show(story.sign_in(manager), profile, id=customer)
    story.show(story.sign_in(_holding(people["华南战区"], "销售代表")), profile, id=customer)

    story.tell("A list is imported. The row that is wrong is named, the others are in.")
    rows = f"客户名称,电话,行业\n演示甲{story.mark}有限公司,13900002222,软件\n演示乙{story.mark}有限公司,12,软件\n"
    job = client.upload(IMPORT, "variables.file", ("客户.csv", rows.encode()), file=None)["importCustomers"]["id"]
    with client.subscribe(PROGRESS, id=job) as progress:
        for item in progress:
            print(_indented(item["importProgress"]))
    print(f"\nThe whole way of the visit, through all processes: make trace ID={trace}")


def _await_timeline(client: GraphQLClient, customer: str) -> None:
    query = 'query($id: ID!) { timeline(customer: $id, kinds: ["FOLLOW_UP_LOGGED"]) { nodes { id } } }'
    deadline = time.monotonic() + PATIENCE
    while not client.run(query, id=customer)["timeline"]["nodes"]:
        if time.monotonic() > deadline:
            sys.exit("the follow-up has not reached the timeline; look at `make logs`")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
