"""The department sample against the router's own decisions: what it answers is what the router takes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.local.places import PROJECT
from services.router.domain.district import District
from services.router.domain.routing.rules import parse_rules
from services.router.main import with_district
from services.router.projection import project
from services.router.setup import parse_procedures
from shared.contracts import facts as f
from shared.contracts.envelope import Envelope, encode
from shared.contracts.topics import assignments_topic, reports_topic
from shared.contracts.vocabulary import ActorKind, AppealType, LimitCause, Obligation, Source, Stage, Urgency
from shared.runtime.consumer import to_input
from shared.runtime.decision import Decision, FromTimer, Input
from shared.runtime.setup_files import read_units
from tests.docs.sample import load

sample: Any = load()

UNIT = "util-water"
NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
HOTLINE = f.Actor(kind=ActorKind.HOTLINE, person="city-12345")
BURST_PIPE = f.Matter(
    number="HA20261102000001",
    source=Source.HOTLINE_12345,
    source_ref="GD1",
    appeal_type=AppealType.HELP,
    urgency=Urgency.URGENT,
    category=("供水", "管道漏损"),
    title="湖畔小区3号楼水管爆裂",
    content="主管道漏水，地下室进水。",
    region="110199001001",
    whistle_blower="110199",
    received_at=NOW,
)


@cache
def shipped_district() -> District:
    folder = PROJECT / "deploy" / "district"
    tree = read_units(folder / "units.yaml")
    rules, procedures = (folder / name for name in ("rules.yaml", "procedures.yaml"))
    return District(
        tree,
        parse_rules(rules.read_text(encoding="utf-8"), tree),
        parse_procedures(procedures.read_text(encoding="utf-8"), procedures.name),
    )


@dataclass
class Router:
    """The router without its engines: one case, decided by the real map from message to function."""

    handlers: Any = field(default_factory=lambda: with_district(shipped_district))
    case_id: UUID = field(default_factory=uuid4)
    state: Any = None
    told: list[bytes] = field(default_factory=list)

    def take(self, item: Input[Any]) -> Decision[Any]:
        """Decide, keep the state, and tell the unit what it is told on its topic."""
        decision: Decision[Any] = self.handlers[type(item.message)](self.state, item, NOW)
        self.state = decision.state or self.state
        for fact in decision.facts:
            envelope = Envelope(str(uuid4()), "/chuishao/router", self.case_id, NOW, fact, sequence=1, caseseq=1)
            self.told += [one.value for one in project(envelope) if one.topic == assignments_topic(UNIT) and one.value]
        return decision

    def open(self) -> None:
        whistle = f.WhistleReceived(matter=BURST_PIPE, needs_verification=False, actor=HOTLINE)
        self.take(Input(self.case_id, whistle, str(uuid4()), FromTimer()))

    def hear(self, value: bytes) -> Decision[Any]:
        """A report as it comes from the unit's topic."""
        item = to_input(record(reports_topic(UNIT), value))
        assert item.unreadable is None
        assert item.unit == UNIT
        return self.take(item)


class Producer:
    """Takes what the sample sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bytes]] = []

    async def send_and_wait(self, topic: str, value: bytes, key: bytes) -> None:
        self.sent.append((topic, value, key))

    @property
    def values(self) -> list[bytes]:
        return [value for _, value, _ in self.sent]


def record(topic: str, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> Any:
    return SimpleNamespace(topic=topic, partition=0, offset=0, value=value, headers=headers)


@pytest.fixture
def handled(tmp_path: Path) -> Iterator[Any]:
    found = sample.Handled(str(tmp_path / "handled.sqlite"))
    yield found
    found.close()


@pytest.fixture
def router() -> Router:
    router = Router()
    router.open()
    return router


def department(handled: Any, producer: Producer, desk: Any = None) -> Any:
    return sample.Department(desk or sample.Desk(UNIT), handled, consumer=None, producer=producer)


async def test_its_reports_bring_the_case_to_the_check(router: Router, handled: Any) -> None:
    assert len(router.told) == 1
    producer = Producer()
    await department(handled, producer).take(record(assignments_topic(UNIT), router.told[0]))
    assert {topic for topic, _, _ in producer.sent} == {reports_topic(UNIT)}
    assert {key for _, _, key in producer.sent} == {str(router.case_id).encode()}
    decisions = [router.hear(value) for value in producer.values]
    assert [decision.refusal for decision in decisions] == [None, None, None]
    assert router.state.stage is Stage.CHECKING


async def test_the_same_assignment_twice_has_one_effect(router: Router, handled: Any) -> None:
    producer = Producer()
    one = department(handled, producer)
    for _ in range(2):
        await one.take(record(assignments_topic(UNIT), router.told[0]))
    assert len(producer.sent) == 3


async def test_an_assignment_told_anew_is_no_new_work(router: Router, handled: Any) -> None:
    producer = Producer()
    one = department(handled, producer)
    told = json.loads(router.told[0])
    told_anew = told | {"id": str(uuid4()), "data": told["data"] | {"role": "co_handler", "final": True}}
    for event in (told, told_anew):
        await one.take(record(assignments_topic(UNIT), json.dumps(event).encode()))
    assert len(producer.sent) == 3


async def test_a_rework_is_new_work(router: Router, handled: Any) -> None:
    producer = Producer()
    one = department(handled, producer)
    told = json.loads(router.told[0])
    rework = told | {"id": str(uuid4()), "data": told["data"] | {"assignment_id": str(uuid4()), "round": 2}}
    for event in (told, rework):
        await one.take(record(assignments_topic(UNIT), json.dumps(event).encode()))
    assert len({json.loads(value)["id"] for value in producer.values}) == 6


async def test_after_a_crash_before_it_remembers_the_reports_carry_the_same_ids(router: Router, handled: Any) -> None:
    producer = Producer()
    await department(handled, producer).take(record(assignments_topic(UNIT), router.told[0]))
    forgotten = sample.Handled(":memory:")
    await department(forgotten, producer).take(record(assignments_topic(UNIT), router.told[0]))
    forgotten.close()
    keys = [to_input(record(reports_topic(UNIT), value)).origin for value in producer.values]
    assert keys[:3] == keys[3:]


async def test_news_without_an_answer_is_remembered_and_not_answered(handled: Any) -> None:
    closed = f.AssignmentClosed(assignment_id=uuid4(), number="HA1", unit=UNIT)
    event = Envelope(str(uuid4()), "/chuishao/router", uuid4(), NOW, closed)
    producer = Producer()
    await department(handled, producer).take(record(assignments_topic(UNIT), encode(event)))
    assert producer.sent == []
    assert event.id in handled


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "HA20261102000001 sign_in by "),
        ({"provisional": True}, " (provisional)"),
        ({"due_at": None, "left": 1800.0}, "HA20261102000001 sign_in stands still, 1800 s left"),
    ],
)
async def test_it_learns_by_when(
    changes: dict[str, Any], said: str, router: Router, handled: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What the clock states goes through the router's own map to the unit's topic, and into the sample's log."""
    caplog.set_level("INFO")
    limit = f.TimeLimit(
        obligation=Obligation.SIGN_IN,
        generation=1,
        granted="1 clock_hour",
        started_at=NOW,
        warn_at=None,
        due_at=NOW + timedelta(hours=1),
        policy_version="1",
    ).model_copy(update=changes)
    stated = f.DeadlineSet(unit=UNIT, round=1, cause=LimitCause.CASE, by=f.CaseDispatched.NAME, limits=(limit,))
    router.take(Input(router.case_id, stated, str(uuid4()), FromTimer()))
    producer = Producer()
    await department(handled, producer).take(record(assignments_topic(UNIT), router.told[-1]))
    assert producer.sent == []
    assert said in caplog.text


def test_a_due_time_is_said_in_local_time() -> None:
    due = sample.by_when({"due_at": "2026-11-02T02:00:00Z", "left": None, "provisional": False})
    assert datetime.fromisoformat(due.removeprefix("by ")) == datetime(2026, 11, 2, 2, tzinfo=UTC)


async def test_a_kind_of_a_later_release_does_not_stop_it(handled: Any) -> None:
    unknown = b'{"id": "1", "type": "cn.chuishao.assignment.moved.v1", "subject": "x", "data": {"new": 1}}'
    await department(handled, Producer()).take(record(assignments_topic(UNIT), unknown))
    assert "1" in handled


async def test_a_refusal_is_said_with_its_reason(handled: Any, caplog: pytest.LogCaptureFixture) -> None:
    refused = record(f"{reports_topic(UNIT)}.dlq", b"{}", (("reason", b"sign_in_first: Sign in first."),))
    await department(handled, Producer()).take(refused)
    assert "sign_in_first" in caplog.text


def test_a_login_is_used_where_one_is_given() -> None:
    assert sample.connection({}) == {"bootstrap_servers": "127.0.0.1:9092"}
    options = sample.connection({"KAFKA": "broker:9093", "KAFKA_USER": "unit.util-water", "KAFKA_PASSWORD": "x"})
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_plain_username"] == "unit.util-water"
