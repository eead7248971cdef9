"""How well duplicates are told: `python -m customers.matching.evaluate <folder with the labelled sets>`.

The register of Chinese companies holds few true duplicates, since a code is registered once. So the positives are
made: names of real companies as people type them (`variants`). The negatives are real: pairs of different companies
that share their core name, and pairs of a company and its branch. Everything is judged by names alone, the
hardest case; with codes the rule of equal and different codes decides. Companies are split by their code, and the
figures are those of the half that the rules were not tuned on.
"""

import csv
import gzip
import random
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice
from pathlib import Path
from typing import NamedTuple

from chassis.errors import Invalid

from customers.matching import LIKELY, Profile, blocking, compare
from customers.matching.regions import leading
from customers.matching.text import traditional

SEED = 20260301
PAIRS = 500
"""How many pairs of names are judged, half of them duplicates."""
_MOST_IN_BLOCK = 60


class Figures(NamedTuple):
    """What came of judging pairs."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def precision(self) -> float:
        """The part of the pairs told to be duplicates that are."""
        told = self.true_positives + self.false_positives
        return self.true_positives / told if told else 1.0

    @property
    def recall(self) -> float:
        """The part of the duplicates that are told."""
        real = self.true_positives + self.false_negatives
        return self.true_positives / real if real else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


Pair = tuple[Profile, Profile, bool]


def judge(pairs: Iterable[Pair]) -> Figures:
    """Compare pairs, each with whether it is one customer."""
    hits = false = missed = 0
    for one, other, same in pairs:
        told = compare(one, other).score >= LIKELY
        hits += told and same
        false += told and not same
        missed += same and not told
    return Figures(hits, false, missed)


def registered_pairs(folder: Path) -> Iterator[Pair]:
    """The labelled pairs of the register, with their codes."""
    for row in _labelled(folder):
        yield (
            Profile(row["name_a"], credit_code=row["uscc_a"]),
            Profile(row["name_b"], credit_code=row["uscc_b"]),
            row["relation"] == "same_code",
        )


def name_pairs(folder: Path, *, held_out: bool, count: int = PAIRS) -> list[Pair]:
    """Pairs judged by names alone: half made duplicates, a quarter branches, a quarter other companies of one core."""
    chance = random.Random(SEED)  # noqa: S311
    companies = [row for row in _companies(folder) if _held_out(row["统一社会信用代码"]) == held_out]
    chance.shuffle(companies)
    pairs: list[Pair] = []
    for company in companies:
        name = company["企业名称"]
        typed = chance.choice([*variants(name, chance)] or [""])
        if typed and typed != name and len(pairs) < count // 2:
            pairs.append((Profile(name), Profile(typed), True))
    branches = [row for row in _labelled(folder) if row["relation"] == "branch_of_second"]
    branches = [row for row in branches if _held_out(row["uscc_a"]) == held_out]
    drawn = chance.sample(branches, min(count // 4, len(branches)))
    pairs += [(Profile(row["name_a"]), Profile(row["name_b"]), False) for row in drawn]
    pairs += islice(_namesakes(companies), count - len(pairs))
    return pairs


def variants(name: str, chance: random.Random) -> Iterator[str]:
    """A registered name as people type it."""
    region, rest = leading(name)
    prefix = name[: len(name) - len(rest)]
    if prefix and region.known and not prefix.startswith(("中国", "中华", "全国")):
        head, company, tail = rest.partition("有限")
        if company and prefix.endswith(("省", "市")):
            yield name.replace(prefix, prefix[:-1], 1)
        if company:
            yield f"{head}({prefix}){company}{tail}"
            yield rest
    if name.endswith("有限公司"):
        stem = name.removesuffix("有限公司").removesuffix("股份")
        yield from (f"{stem}公司", f"{stem}有限责任公司", stem, f"{stem}股份有限公司", f"{stem}集团有限公司")
    yield traditional(name)
    yield f" {name.replace('(', '（').replace(')', '）')}。"
    if len(rest) > 12:
        at = chance.randrange(len(prefix) + 2, len(name) - 5)
        yield name[:at] + name[at + 1 :]


def _namesakes(companies: Sequence[Mapping[str, str]]) -> Iterator[Pair]:
    """Different companies whose names share a key by which they are compared."""
    blocks: dict[str, list[Profile]] = defaultdict(list)
    for company in companies:
        profile = Profile(company["企业名称"])
        for key in blocking.keys(profile):
            blocks[key].append(profile)
    seen: set[tuple[str, str]] = set()
    for block in blocks.values():
        for one, other in combinations(block[:5], 2):
            if one.name != other.name and (one.name, other.name) not in seen:
                seen.add((one.name, other.name))
                yield one, other, False


def person_pairs(folder: Path, name: str) -> Figures:
    """Persons with slips in every field, found by their keys; the truth is in their ids."""
    with (folder / "febrl" / name).open(encoding="utf-8") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        people = [(row["rec_id"].split("-")[1], _person(row)) for row in rows]
    real = sum(size * (size - 1) // 2 for size in _sizes(key for key, _ in people).values())
    hits = false = 0
    for one, other in _candidates([profile for _, profile in people]):
        if compare(people[one][1], people[other][1]).score >= LIKELY:
            same = people[one][0] == people[other][0]
            hits, false = hits + same, false + (not same)
    return Figures(hits, false, real - hits)


def _person(row: Mapping[str, str]) -> Profile:
    address = " ".join(row[key] for key in ("street_number", "address_1", "address_2", "suburb", "postcode"))
    name = f"{row['given_name']} {row['surname']}"
    return Profile(name, company=False, identity=row["soc_sec_id"], address=address)


def _candidates(profiles: Sequence[Profile]) -> set[tuple[int, int]]:
    blocks: dict[str, list[int]] = defaultdict(list)
    for number, profile in enumerate(profiles):
        for key in blocking.keys(profile):
            blocks[key].append(number)
    return {pair for block in blocks.values() if len(block) <= _MOST_IN_BLOCK for pair in combinations(block, 2)}


def restaurant_pairs(folder: Path) -> Iterator[Pair]:
    """Restaurants by name, address and phone: the held-out part of the labelled pairs."""
    base = folder / "fodors_zagats"
    sides = [_restaurants(base / name) for name in ("tableA.csv", "tableB.csv")]
    with (base / "FZ_ER_static__test.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield sides[0][row["ltable_id"]], sides[1][row["rtable_id"]], row["label"] == "1"


def _restaurants(path: Path) -> dict[str, Profile]:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file, quotechar="'", skipinitialspace=True))
    found = {}
    for row in rows[1:]:
        digits = "".join(filter(str.isdigit, row[4]))
        found[row[0]] = Profile(row[1].strip("` '"), phones=[digits] if digits else [], address=row[2] + row[3])
    return found


def _sizes(keys: Iterable[str]) -> Mapping[str, int]:
    found: dict[str, int] = defaultdict(int)
    for key in keys:
        found[key] += 1
    return found


def _held_out(code: str) -> bool:
    return zlib.crc32(code.encode()) % 2 == 1


def _labelled(folder: Path) -> list[dict[str, str]]:
    with (folder / "zh_companies_uscc" / "zh_name_pairs_dev.csv").open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _companies(folder: Path) -> list[dict[str, str]]:
    path = folder / "zh_companies_uscc" / "zh_companies_dev.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def main(arguments: Sequence[str]) -> int:
    """Print the figures of all sets."""
    if len(arguments) != 1:
        raise Invalid("INVALID_ARGUMENTS", "give the folder that holds the labelled sets")
    folder = Path(arguments[0])
    sets: dict[str, Callable[[], Figures]] = {
        "Chinese names, registered pairs with codes": lambda: judge(registered_pairs(folder)),
        "Chinese names alone, tuning half": lambda: judge(name_pairs(folder, held_out=False)),
        "Chinese names alone, held out": lambda: judge(name_pairs(folder, held_out=True)),
        "restaurants, held out": lambda: judge(restaurant_pairs(folder)),
        **{f"persons, {name}": _persons(folder, name) for name in ("dataset1.csv", "dataset2.csv", "dataset3.csv")},
    }
    sys.stdout.write(f"{'':<46}{'pairs':>7}{'precision':>11}{'recall':>9}{'F1':>9}\n")
    for title, measure in sets.items():
        figures = measure()
        real = figures.true_positives + figures.false_negatives
        line = f"{title:<46}{real:>7}{figures.precision:>11.3f}{figures.recall:>9.3f}{figures.f1:>9.3f}\n"
        sys.stdout.write(line)
    return 0


def _persons(folder: Path, name: str) -> Callable[[], Figures]:
    return lambda: person_pairs(folder, name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
