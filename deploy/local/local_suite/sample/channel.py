"""The sample company's leads, its partner, and the other system that calls it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crm.identity.v1 import (
    client_pb2,
    client_service_pb2,
    client_service_pb2_grpc,
    partner_pb2,
    partner_service_pb2,
    partner_service_pb2_grpc,
    role_pb2,
    user_pb2,
    user_service_pb2,
    user_service_pb2_grpc,
)
from crm.leads.v1 import lead_pb2, lead_service_pb2, lead_service_pb2_grpc

from local_suite.client import SuiteClient
from local_suite.sample.company import Organisation, Person

AGENT = "agent.qudao"
PARTNER = "长三角渠道合作伙伴（示例）"
LEADS = (
    ("示例晨光智能装备有限公司", "周敏", "13900010001", "展会", "江苏省", "苏州市", "两条装配线的产能看板"),
    ("示例海川冷链物流有限公司", "吴磊", "13900010002", "官网", "浙江省", "宁波市", "冷库温度记录对接"),
    ("示例云栖生物科技有限公司", "郑洁", "13900010003", "转介绍", "浙江省", "杭州市", "试用三个月"),
    ("示例金陵印务有限公司", "冯涛", "13900010004", "电话", "江苏省", "南京市", "更换旧系统"),
)
REGISTRATION = ("示例江畔食品有限公司", "褚岩", "13900010005", "江苏省", "无锡市", "年底前上线")


@dataclass(frozen=True)
class Channel:
    """Brings in leads, a partner with a registration of theirs, and a machine."""

    suite: SuiteClient
    request_id: Callable[[str, str], str]
    """(kind, key) → what makes a retry safe."""

    def load(self, organisation: Organisation, departments: Mapping[str, str], roles: Mapping[str, str]) -> list[str]:
        """Bring them in. The people of the organisation are there already. Returns the names of the leads."""
        theatre = organisation.theatres[0]
        seller = next(person for person in organisation.sellers(theatre) if person.role == "销售代表")
        leads = self._enter_leads(seller)
        self._register(self._partner(), departments[theatre], roles["合作伙伴"])
        self._client()
        return leads

    def _enter_leads(self, seller: Person) -> list[str]:
        stub = lead_service_pb2_grpc.LeadServiceStub(self.suite.leads)
        caller = self.suite.sign_in(seller.username, self.suite.targets.people_password)
        made = []
        for company, contact, phone, source, province, city, requirement in LEADS:
            lead = lead_pb2.Lead(
                company_name=company,
                contact_name=contact,
                phones=[phone],
                source=source,
                province=province,
                city=city,
                requirement=requirement,
            )
            request = lead_service_pb2.CreateLeadRequest(lead=lead, request_id=self.request_id("lead", company))
            made.append(stub.CreateLead(request, metadata=caller, timeout=10).name)
        return made

    def _partner(self) -> str:
        stub = partner_service_pb2_grpc.PartnerServiceStub(self.suite.identity)
        partner = partner_pb2.Partner(display_name=PARTNER, contact_name="钱宏", contact_phone="13900010006")
        request = partner_service_pb2.CreatePartnerRequest(
            partner=partner, request_id=self.request_id("partner", PARTNER)
        )
        return stub.CreatePartner(request, metadata=self.suite.admin, timeout=10).name

    def _register(self, partner: str, department: str, role: str) -> None:
        password = self.suite.targets.people_password
        user = user_pb2.User(username=AGENT, display_name="钱宏", department=department, roles=[role], partner=partner)
        create = user_service_pb2.CreateUserRequest(
            user=user, password=password, request_id=self.request_id("user", AGENT)
        )
        users = user_service_pb2_grpc.UserServiceStub(self.suite.identity)
        users.CreateUser(create, metadata=self.suite.admin, timeout=10)
        company, contact, phone, province, city, requirement = REGISTRATION
        lead = lead_pb2.Lead(
            company_name=company,
            contact_name=contact,
            phones=[phone],
            province=province,
            city=city,
            requirement=requirement,
        )
        register = lead_service_pb2.RegisterLeadRequest(lead=lead, request_id=self.request_id("lead", company))
        stub = lead_service_pb2_grpc.LeadServiceStub(self.suite.leads)
        stub.RegisterLead(register, metadata=self.suite.sign_in(AGENT, password), timeout=10)

    def _client(self) -> None:
        stub = client_service_pb2_grpc.ClientServiceStub(self.suite.identity)
        reads = [
            role_pb2.Grant(permission=permission, scope=role_pb2.DATA_SCOPE_ALL)
            for permission in ("customer.read", "contact.read")
        ]
        client = client_pb2.Client(
            client_id="sample-erp", display_name="财务系统（示例）", grants=reads, calls_per_minute=600
        )
        request = client_service_pb2.CreateClientRequest(
            client=client, request_id=self.request_id("client", "sample-erp")
        )
        stub.CreateClient(request, metadata=self.suite.admin, timeout=10)
