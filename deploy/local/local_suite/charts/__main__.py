"""`python -m local_suite.charts`: generate the schemas of the charts' values, and the committed renders."""

import tempfile
from pathlib import Path

from local_suite.charts import rendering, tools
from local_suite.charts.layout import GOLDEN, HELM
from local_suite.charts.schemas import schemas


def main() -> None:
    """Write all of them."""
    for chart, content in schemas().items():
        (HELM / chart / "values.schema.json").write_text(content)
    with tempfile.TemporaryDirectory() as folder:
        charts = rendering.build(tools.find(), Path(folder))
        renders = rendering.golden(charts)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for path in GOLDEN.glob("*.yaml"):
        if path.name not in renders:
            path.unlink()
    for name, content in renders.items():
        (GOLDEN / name).write_text(content)
    print(f"{len(schemas())} schemas and {len(renders)} renders written")


if __name__ == "__main__":
    main()
