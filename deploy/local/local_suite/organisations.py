"""An organisation of a test's own within a running suite."""

from uuid import uuid4

from local_suite.graphql import GraphQLClient


class Organisation:
    """Makes departments, roles and users of a test's own."""

    def __init__(self, admin: GraphQLClient) -> None:
        """Acts as the administrator."""
        self.admin = admin
        self.mark = uuid4().hex[:8]
        departments = admin.run("{ departments(first: 200) { nodes { id parentId } } }")["departments"]["nodes"]
        self.root = next(item["id"] for item in departments if not item["parentId"])

    def department(self, name: str, parent: str = "", *, theatre: bool = False) -> str:
        """The id of a new department."""
        document = "mutation($input: CreateDepartmentInput!) { createDepartment(input: $input) { id } }"
        values = {"name": f"{name}{self.mark}", "parentId": parent or self.root, "theatre": theatre}
        created: str = self.admin.run(document, input=values)["createDepartment"]["id"]
        return created

    def role(self, scope: str, *permissions: str) -> str:
        """The id of a new role that grants permissions with one scope."""
        document = "mutation($input: CreateRoleInput!) { createRole(input: $input) { id } }"
        grants = [{"permission": permission, "scope": scope} for permission in permissions]
        values = {"name": f"{scope}-{uuid4().hex[:8]}", "grants": grants}
        created: str = self.admin.run(document, input=values)["createRole"]["id"]
        return created

    def user(self, department: str, *roles: str) -> tuple[str, GraphQLClient]:
        """A new user: the id, and a client that is signed in as them."""
        document = "mutation($input: CreateUserInput!) { createUser(input: $input) { id } }"
        username, password = f"user-{uuid4().hex[:8]}", f"Pass-{uuid4().hex}"
        values = {
            "username": username,
            "name": "测试员",
            "departmentId": department,
            "roleIds": list(roles),
            "password": password,
        }
        created = self.admin.run(document, input=values)["createUser"]["id"]
        return created, self.admin.sign_in(username, password)
