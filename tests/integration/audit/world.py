"""The four services that have logs, by their own code on one real PostgreSQL; what Kafka would carry is handed over."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
from uuid_utils import uuid7

from deploy.check.source import CONSUMERS, LOGS
from deploy.local.places import PROJECT
from deploy.local.processes import role_url
from deploy.migrate import SERVICES, begin_with, migrate, migrate_district
from services.feedback import main as feedback
from services.feedback.domain.commands import AnswerAsResident, CheckResult, RateUnit
from services.feedback.domain.commands import Asker as Asking
from services.feedback.setup import make_setup as feedback_setup
from services.feedback.setup import standards_of
from services.feedback.store import ReviewStates
from services.intake import main as intake
from services.intake.domain.particulars import Particulars
from services.intake.domain.whistle import ReceiveWhistle
from services.intake.store import IntakeStates
from services.router import main as router
from services.router.domain.case import Case
from services.router.setup import PROCEDURES, RULES, district_of
from services.router.store import CaseStates
from services.sla import main as sla
from services.sla.agenda import Agenda
from services.sla.setup import RulesInForce
from services.sla.setup import make_setup as sla_setup
from services.sla.store import ClockStates
from shared.contracts import facts as f
from shared.contracts.vocabulary import ActorKind, AppealType, Satisfaction, Source, Urgency
from shared.runtime.consumer import to_input
from shared.runtime.decision import DoorKey, FromDoor, Input, Letter, Outcome
from shared.runtime.district import UNITS, ByTheSetup, Setup
from shared.runtime.postgres import PostgresStore, PostgresTransaction, open_pool
from shared.runtime.road import Road
from shared.runtime.service import decide_with
from tests.unit.feedback.memory import NoRelay

COMMUNITY = "110199001001"
TITLE, CONTENT = "水管爆裂", "湖畔路 3 号楼前水管爆裂，住户张三家中进水"
PASSWORDS = {name: name for name in SERVICES} | {"intake": "intake-password"}
"""As other tests have them: roles are the cluster's, not the database's."""


class World:
    """`roads` and `stores` by service; `admin_url` is the database's owner's."""

    def __init__(self, admin_url: str, pools: dict[str, asyncpg.Pool]) -> None:
        self.admin_url = admin_url
        routing, timing, judging = Setup(UNITS, RULES, PROCEDURES), sla_setup(), feedback_setup()
        kinds = {"router": routing.kinds, "sla": timing.kinds, "feedback": judging.kinds}
        self.stores = {
            name: PostgresStore(
                name, pool, role_url(admin_url, f"chuishao_{name}", PASSWORDS[name]), kinds=kinds.get(name, ())
            )
            for name, pool in pools.items()
        }
        parts: dict[str, tuple[Any, Any]] = {
            "intake": (IntakeStates(), intake.HANDLERS),
            "router": (ByTheSetup(CaseStates(), routing), router.with_district(partial(district_of, routing))),
            "sla": (ByTheSetup(ClockStates(Agenda()), timing), sla.handlers_by(RulesInForce(timing))),
            "feedback": (
                ByTheSetup(ReviewStates(), judging),
                feedback.handlers_by(partial(standards_of, judging)),
            ),
        }
        self.roads = {
            name: Road[Any](name, self.stores[name], states, decide_with(handlers), NoRelay())
            for name, (states, handlers) in parts.items()
        }

    async def submit(self, service: str, case_id: UUID, message: object, unit: str | None = None) -> Outcome:
        key = str(uuid4())
        (outcome,) = await self.roads[service].travel(
            [Input(case_id, message, key, FromDoor((DoorKey("test", key),)), unit)]
        )
        assert outcome.refusal is None, outcome
        assert outcome.note == "" or service == "router", outcome
        return outcome

    async def carry(self, readers: Sequence[str] = tuple(CONSUMERS)) -> None:
        """Hand every log to those who read it, until nobody has anything left to read."""
        moved = True
        while moved:
            moved = False
            for reader in readers:
                for letter in await self._unread(reader):
                    await self.roads[reader].travel([to_input(letter)])
                    moved = True

    async def _unread(self, reader: str) -> list[Letter]:
        writers = {topic.name: name for name, topic in LOGS.items()}
        found = []
        for topic in CONSUMERS[reader]:
            rows = await self.admin(
                f"select log.shard, log.sequence, log.event from {writers[topic]}.log as log "
                f"left join {reader}.progress as done on done.log = $1 and done.shard = log.shard "
                "where log.sequence > coalesce(done.sequence, 0) order by log.shard, log.sequence",
                topic,
            )
            found += [
                Letter(topic, shard, sequence - 1, event, (("sequence", str(sequence).encode()),))
                for shard, sequence, event in rows
            ]
        return found

    async def admin(self, statement: str, *given: object) -> list[Any]:
        connection = await asyncpg.connect(self.admin_url)
        try:
            found: list[Any] = await connection.fetch(statement, *given)
            return found
        finally:
            await connection.close()

    async def state(self, service: str, case_id: UUID) -> Any:
        async with self.stores[service].pool.acquire() as connection:
            transaction = PostgresTransaction(connection, "")
            return (await self.roads[service].states.load(transaction, [case_id]))[case_id].state

    # --- what happens

    async def whistle(self, number: str) -> UUID:
        """A community blows the whistle."""
        case_id = UUID(str(uuid7()))
        told = Particulars(
            appeal_type=AppealType.HELP, urgency=Urgency.NORMAL, title=TITLE, content=CONTENT, address="湖畔路 3 号"
        )
        actor = f.Actor(kind=ActorKind.STAFF, unit=COMMUNITY, person="wang")
        command = ReceiveWhistle(
            number=number,
            source=Source.COMMUNITY,
            particulars=told,
            category=("市政设施", "供水"),
            region=COMMUNITY,
            whistle_blower=COMMUNITY,
            needs_verification=False,
            resident_to_ask=True,
            actor=actor,
        )
        await self.submit("intake", case_id, command)
        return case_id

    async def handle(self, case_id: UUID) -> None:
        """Every unit that has it signs in, and finishes."""
        await self.carry()
        case: Case = await self.state("router", case_id)
        assert case.present, "a rule gave it to somebody"
        for one in case.present:
            await self.submit("router", case_id, f.ReportSignedIn(), one.unit)
            await self.submit("router", case_id, f.ReportProgressed(note="已联系张三", contacted=True), one.unit)
            await self.submit("router", case_id, f.ReportDone(result="已修复张三家门前水管"), one.unit)
        await self.carry()

    async def judge(self, case_id: UUID, satisfaction: Satisfaction = Satisfaction.SATISFIED) -> None:
        """Checked, rated and answered: the verdict follows."""
        review = await self.state("feedback", case_id)
        ours = Asking(actor=f.Actor(kind=ActorKind.STAFF, unit=COMMUNITY, person="wang"))
        await self.submit("feedback", case_id, CheckResult(asker=ours, passed=True, note="现场看过，张三在家"))
        for unit in review.round.units:
            await self.submit(
                "feedback", case_id, RateUnit(asker=ours, unit=unit, contact=5, speed=4, result=5, words="张三满意")
            )
        resident = Asking(actor=f.Actor(kind=ActorKind.RESIDENT, person=review.case.number))
        solved = satisfaction is not Satisfaction.UNSATISFIED
        answer = AnswerAsResident(
            asker=resident, contacted=True, solved=solved, satisfaction=satisfaction, words="谢谢，我是张三"
        )
        await self.submit("feedback", case_id, answer)
        await self.carry()


@asynccontextmanager
async def world(admin_postgres_url: str) -> AsyncIterator[World]:
    """A database of its own, brought to this release, with the shipped set-up."""
    name = f"audit_{uuid4().hex}"
    admin = await asyncpg.connect(admin_postgres_url)
    await admin.execute(f"create database {name}")
    admin_url = urlunsplit(urlsplit(admin_postgres_url)._replace(path=f"/{name}"))
    connection = await asyncpg.connect(admin_url)
    for service in SERVICES:
        await migrate(connection, service, PASSWORDS[service])
    await migrate_district(connection)
    await begin_with(connection, PROJECT / "deploy" / "district")
    await connection.close()
    try:
        async with AsyncExitStack() as stack:
            pools = {
                service: await stack.enter_async_context(
                    await open_pool(role_url(admin_url, f"chuishao_{service}", PASSWORDS[service]), most=3)
                )
                for service in LOGS
            }
            yield World(admin_url, pools)
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()
