"""Where the charts are."""

from local_suite.layout import ROOT, SERVICES

HELM = ROOT / "deploy" / "helm"
PARTS = (*SERVICES, "gateway")
"""The parts of the suite, each with a chart of its own."""
LIBRARY = "crm-service"
CHARTS = (*PARTS, "crm", "dev-servers")
"""Those that can be installed, in the order in which they are built."""
GOLDEN = ROOT / "tests" / "deploy" / "golden"
"""Renders that are committed."""
