"""What tasks tell of a person goes with the person."""

from chassis.personal_data import Person
from chassis.testing import make_caller
from chassis.testing.personal_data import process
from leads.model import Task
from leads.personal_data import PERSONAL_DATA
from leads.subjects import Subject
from leads.tasks.making import TaskDraft, create_task
from leads.usecases.create_lead import LeadDraft, create_lead


def test_what_tasks_say_of_a_person_is_taken_out_of_them(database, directory):
    with database.write(make_caller()) as session:
        for table in ("known_legal_hold", "deleted_record", "erased_person"):
            session.connection().exec_driver_sql(f"TRUNCATE {table}")
        person = {"company_name": "甲公司", "contact_name": "欧阳娜", "phones": ["13800138000"]}
        lead, other = (create_lead(session, LeadDraft(values)) for values in (person, {"company_name": "乙公司"}))
        words = {"title": "致电欧阳娜", "description": "打 13800138000", "checklist": [("问欧阳娜", False)]}
        about, elsewhere = (
            create_task(session, TaskDraft(Subject("leads", one.id), words), directory).id for one in (lead, other)
        )
        known = PERSONAL_DATA.describe(session, Person(records=frozenset({lead.name})))
        process(session, PERSONAL_DATA, "ERASE", known)
        session.expire_all()
        found = {key: session.get_one(Task, key) for key in (about, elsewhere)}
        assert found[about].title == "致电「已删除」"
        assert found[about].checklist == [{"text": "问「已删除」", "done": False}]
        assert found[elsewhere].title == "致电欧阳娜", "a name alone tells nobody where nobody is known"
        assert {one.description for one in found.values()} == {"打 「已删除」"}
