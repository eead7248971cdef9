"""The organisation: departments, theatres and thirty people."""

from dataclasses import dataclass
from random import Random

from pypinyin import lazy_pinyin

from local_suite.sample.words import CITIES, GIVEN, SURNAMES

OFFICES = (("市场部", "市场", 1), ("客户服务部", "客服", 3), ("财务部", "财务", 1))


@dataclass(frozen=True)
class Person:
    """Somebody who works for the company."""

    username: str
    name: str
    department: str
    role: str
    """The name of a role template that comes with the installation."""

    @property
    def sells(self) -> bool:
        """Whether customers belong to them."""
        return self.role in ("销售代表", "销售经理") and self.department in CITIES


@dataclass(frozen=True)
class Organisation:
    """The company."""

    theatres: tuple[str, ...]
    offices: tuple[str, ...]
    people: tuple[Person, ...]

    def sellers(self, theatre: str) -> list[Person]:
        """The people of a theatre that customers belong to."""
        return [person for person in self.people if person.department == theatre and person.sells]


def person_name(random: Random) -> str:
    """A Chinese name: a surname, then one character or, more often, two."""
    return random.choice(SURNAMES) + "".join(random.choices(GIVEN, k=random.choice((1, 2, 2, 2))))


def make_organisation(random: Random) -> Organisation:
    """Four theatres with a manager and five reps each, three offices, and a general manager: thirty people."""
    taken: set[str] = set()

    def hire(department: str, role: str) -> Person:
        while True:
            name = person_name(random)
            username = ".".join(("".join(lazy_pinyin(name[0])), "".join(lazy_pinyin(name[1:]))))
            if username not in taken:
                taken.add(username)
                return Person(username, name, department, role)

    people = [hire("总部", "销售经理")]
    for theatre in CITIES:
        people.append(hire(theatre, "销售经理"))
        people += [hire(theatre, "销售代表") for _ in range(5)]
    for office, role, count in OFFICES:
        people += [hire(office, role) for _ in range(count)]
    return Organisation(tuple(CITIES), tuple(office for office, _, _ in OFFICES), tuple(people))
