"""`python -m leads.scoring.evaluate [folder]`: what learning is worth on a public set of leads.

Lead scores of an education company (X Education): 9,240 leads with their outcome. What people wrote down while they
worked on a lead (tags, lead quality and profile, indices, the last activity) tells the outcome rather than foretells
it, and is left out: see LEAKING. The set has no times, so it is split at random, by a fixed seed.
"""

import csv
import gzip
import math
import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path

from leads.scoring.learning import Sample, Verdict, compare, fit

FILE = Path("xeducation_leads") / "Lead_Scoring.csv.gz"
LEAKING = frozenset(
    {
        "Tags",
        "Lead Quality",
        "Lead Profile",
        "Asymmetrique Activity Index",
        "Asymmetrique Profile Index",
        "Asymmetrique Activity Score",
        "Asymmetrique Profile Score",
        "Last Activity",
        "Last Notable Activity",
    }
)
"""Columns that were filled in on the way to the outcome."""
NUMBERS = ("TotalVisits", "Total Time Spent on Website", "Page Views Per Visit")
_IDENTIFYING = frozenset({"Prospect ID", "Lead Number", "Converted"})
_EMPTY = frozenset({"", "Select"})
_SEED = 7


def folder() -> Path:
    """Where the public data sets are: `CRM_DATA`, or beside the project."""
    return Path(os.environ.get("CRM_DATA") or Path(__file__).resolve().parents[4].parent / "shared" / "data")


def read(path: Path) -> tuple[list[Sample], list[bool]]:
    """The leads of the file and whether each has bought, in an order drawn by a fixed seed."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    random.Random(_SEED).shuffle(rows)  # noqa: S311 - a split, no secret
    return [_sample(row) for row in rows], [row["Converted"] == "1" for row in rows]


def _sample(row: Mapping[str, str]) -> Sample:
    sample: dict[str, str | float] = {}
    for name, text in row.items():
        if name in LEAKING or name in _IDENTIFYING:
            continue
        if text in _EMPTY:
            sample[name if name not in NUMBERS else f"no {name}"] = "absent"
        elif name in NUMBERS:
            # The first visit and minute tell more than the hundredth, and still the hundredth tells something.
            sample[name] = float(text)
            sample[f"log {name}"] = math.log1p(float(text))
        else:
            sample[name] = text.strip().casefold()
    return sample


def by_rules(sample: Sample) -> float:
    """The points that a sales manager would give: who comes by recommendation or fills in a form, works, and
    has read on the website for minutes."""
    points = 0.0
    points += 30 if sample.get("Lead Origin") == "lead add form" else 0
    points += 20 if sample.get("Lead Source") in ("reference", "welingak website") else 0
    points += 20 if sample.get("current occupation") == "working professional" else 0
    points += 10 if sample.get("current occupation") == "unemployed" else 0
    points += 20 if float(sample.get("Total Time Spent on Website", 0)) > 300 else 0
    points += 10 if float(sample.get("TotalVisits", 0)) > 3 else 0
    points -= 20 if sample.get("Do Not Email") == "yes" else 0
    return points


def evaluate(path: Path) -> Verdict:
    """Fit on seven tenths of the leads, and compare with the rules on the rest."""
    samples, outcomes = read(path)
    cut = round(len(samples) * 0.7)
    fitted = fit(samples[:cut], outcomes[:cut])
    judged = [fitted.log_odds(sample) for sample in samples[cut:]]
    return compare(outcomes[cut:], judged, [by_rules(sample) for sample in samples[cut:]], cut)


def main() -> int:
    """Print what was measured. Exits 2 where the data set is absent."""
    path = (Path(sys.argv[1]) if len(sys.argv) > 1 else folder()) / FILE
    if not path.is_file():
        print(f"there is no {path}: name the folder of the public data sets, or set CRM_DATA", file=sys.stderr)
        return 2
    verdict = evaluate(path)
    print(f"fitted on {verdict.fitted_on:,} leads, judged on {verdict.judged_on:,}")
    for title, measure in (("model", verdict.model), ("rules", verdict.rules), ("difference", verdict.difference)):
        print(f"AUC {title:<10} {measure.value:+.3f}  (95 %: {measure.low:+.3f} to {measure.high:+.3f})")
    print("the model is used" if verdict.better else "the rules stay in use")
    return 0


if __name__ == "__main__":
    sys.exit(main())
