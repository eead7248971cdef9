"""`python -m local_suite.datasets FOLDER`: imports the public data sets that it finds in a folder.

The sets are not part of the product. Each is looked for under the name it is published with; what is not there
is passed over.
"""

import argparse
import gzip
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import grpc
from crm.common.v1 import custom_field_pb2, job_pb2
from crm.customers.v1 import custom_field_service_pb2, custom_field_service_pb2_grpc

from local_suite.client import SuiteClient, Targets


@dataclass(frozen=True)
class ExtraField:
    """A custom field that a set needs."""

    key: str
    label: str
    type: "custom_field_pb2.CustomFieldType.ValueType"
    max_length: int = 0


@dataclass(frozen=True)
class DataSet:
    """A public list of companies and how its columns map to customers."""

    path: str
    columns: Mapping[str, str]
    extra_fields: Sequence[ExtraField] = field(default=())
    empty_values: Sequence[str] = ("N/A", "-", "?")

    def read(self, folder: Path) -> bytes:
        """The file's bytes, unpacked."""
        data = (folder / self.path).read_bytes()
        return gzip.decompress(data) if self.path.endswith(".gz") else data


TEXT = custom_field_pb2.CUSTOM_FIELD_TYPE_TEXT
NUMBER = custom_field_pb2.CUSTOM_FIELD_TYPE_NUMBER
DATE = custom_field_pb2.CUSTOM_FIELD_TYPE_DATE

SETS = (
    DataSet(
        "zh_companies_uscc/zh_companies_dev.csv.gz",
        {
            "企业名称": "display_name",
            "统一社会信用代码": "credit_code",
            "所在省份": "province",
            "地区": "city",
            "注册地址": "street",
            "注册日期": "custom.registered_on",
            "企业类型": "custom.company_type",
            "注册资金": "custom.registered_capital",
            "经营范围": "custom.business_scope",
        },
        (
            ExtraField("registered_on", "注册日期", DATE),
            ExtraField("company_type", "企业类型", TEXT),
            ExtraField("registered_capital", "注册资金", TEXT),
            ExtraField("business_scope", "经营范围", TEXT, max_length=5000),
        ),
    ),
    DataSet(
        "maven_crm_opportunities/accounts.csv",
        {
            "account": "display_name",
            "sector": "industry",
            "year_established": "custom.founded_year",
            "revenue": "custom.revenue_musd",
            "employees": "custom.employees",
            "office_location": "custom.office",
            "subsidiary_of": "custom.parent_company",
        },
        (
            ExtraField("founded_year", "成立年份", NUMBER),
            ExtraField("revenue_musd", "年收入（百万美元）", NUMBER),
            ExtraField("employees", "员工数", NUMBER),
            ExtraField("office", "办公地", TEXT),
            ExtraField("parent_company", "母公司", TEXT),
        ),
    ),
)


def load(suite: SuiteClient, dataset: DataSet, folder: Path) -> job_pb2.ImportJob:
    """Define the custom fields that the set needs and import it. A second load adds nothing."""
    stub = custom_field_service_pb2_grpc.CustomFieldServiceStub(suite.customers)
    for extra in dataset.extra_fields:
        request = custom_field_service_pb2.CreateCustomFieldRequest(
            custom_field=custom_field_pb2.CustomField(
                entity="customer", key=extra.key, label=extra.label, type=extra.type, max_length=extra.max_length
            )
        )
        try:
            stub.CreateCustomField(request, metadata=suite.admin, timeout=10)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise
    data = dataset.read(folder)
    options = job_pb2.ImportOptions(
        file_name=Path(dataset.path.removesuffix(".gz")).name,
        columns=dataset.columns,
        empty_values=dataset.empty_values,
        request_id=str(uuid5(NAMESPACE_URL, f"{dataset.path}/{sha256(data).hexdigest()}")),
    )
    return suite.import_customers(options, data)


def main() -> None:
    """Import whichever sets the folder holds and say what came of each."""
    parser = argparse.ArgumentParser(prog="python -m local_suite.datasets", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder that holds the sets, each in a folder of its name")
    folder: Path = parser.parse_args().folder
    present = [dataset for dataset in SETS if (folder / dataset.path).exists()]
    if not present:
        sys.exit(f"{folder} holds none of {', '.join(dataset.path for dataset in SETS)}")
    suite = SuiteClient(Targets.here())
    for dataset in present:
        job = load(suite, dataset, folder)
        sys.stdout.write(
            f"{dataset.path}: {job.created_rows} added, {job.unchanged_rows} known, {job.failed_rows} refused\n"
        )
        for error in job.first_errors[:3]:
            sys.stdout.write(f"  row {error.row}: {error.field} {error.reason}: {error.message}\n")


if __name__ == "__main__":
    main()
