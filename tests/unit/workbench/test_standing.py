"""Where a case stands: what holds it, what is planned, who may be its twin, whose time it was."""

from datetime import timedelta
from typing import Any

import pytest

from services.workbench import standing
from services.workbench.standing import Case
from shared.contracts import facts as f
from shared.contracts.vocabulary import Role, Stage
from tests.unit.workbench import kit
from tests.unit.workbench.kit import COMMUNITY, HOUSING, HUB, NOW, WATER, speech

MERGED = {"merged_into": {"case_id": str(kit.OTHER), "number": kit.OTHER_NUMBER}}
TWINS = {"candidates": [kit.TWIN.model_dump(mode="json")]}


def case(stage: Stage = Stage.HANDLING, confidential: bool = False, **fields: Any) -> Case:
    return Case.model_validate(kit.case_document(stage, confidential=confidential) | fields)


def asked(**fields: Any) -> dict[str, Any]:
    return {"requests": [{"kind": "extension", "unit": WATER, "share": 0.5, "until": None, "approver": HUB} | fields]}


@pytest.mark.parametrize(
    ("stage", "fields", "said"),
    [
        (Stage.HANDLING, {}, []),
        (Stage.HANDLING, {"supervised": [WATER]}, [("supervised", "督办中：和安供水公司", "")]),
        (Stage.CLOSED, {"supervised": [WATER]}, []),
        (Stage.MERGED, MERGED, [("merged", "已并案，随此件办理：", kit.OTHER_NUMBER)]),
        (Stage.RATING, MERGED, [("merged", "曾并案，随此件答复：", kit.OTHER_NUMBER)]),
        (
            Stage.SUSPENDED,
            {"pause": {"until": "2027-03-01T02:30:00Z", "asked_for": True}},
            [("suspended", "挂账中，时钟暂停，2027-03-01 10:30:00 复核", "")],
        ),
        (
            Stage.EXTENSION_REVIEW,
            asked(),
            [("asked", "和安供水公司 申请延长原时限的 50%，待 和安区城市治理中心 审批", "")],
        ),
        (
            Stage.EXTENSION_REVIEW,
            asked(kind="suspension", share=None, until="2027-03-01T02:30:00Z"),
            [("asked", "和安供水公司 申请挂账至 2027-03-01，待 和安区城市治理中心 审批", "")],
        ),
    ],
)
def test_what_holds_a_case(stage: Stage, fields: dict[str, Any], said: list[tuple[str, str, str]]) -> None:
    found = standing.notices(case(stage, **fields), speech())
    assert [(one.kind, one.text, one.number) for one in found] == said


@pytest.mark.parametrize(
    ("due_in_days", "reached_in_days", "state", "text"),
    [
        (2, None, "ahead", "还剩 2 天"),
        (-2, None, "late", "未完成，已超 2 天"),
        (2, 1, "reached", "2026-11-24 已完成"),
        (-2, -1, "reached", "2026-11-22 完成，晚于节点"),
    ],
)
def test_a_milestone_is_ahead_reached_or_late(
    due_in_days: int, reached_in_days: int | None, state: str, text: str
) -> None:
    planned = f.Milestone(number=1, title="换立管", due_at=NOW + timedelta(days=due_in_days))
    reached = None if reached_in_days is None else (NOW + timedelta(days=reached_in_days)).isoformat()
    plan = [{"milestone": planned.model_dump(mode="json"), "reached_at": reached}]
    step = standing.milestones(case(milestones=plan), speech(), NOW)[0]
    assert (step.number, step.title, step.state, step.text) == (1, "换立管", state, text)
    assert standing.milestones(case(confidential=True, milestones=plan), speech(), NOW)[0].title == ""


@pytest.mark.parametrize(
    ("stage", "confidential", "fields", "said"),
    [
        (Stage.HANDLING, False, TWINS, [(kit.OTHER_NUMBER, "相似 87%", "同一楼，同类，相隔 2 小时")]),
        (Stage.HANDLING, True, TWINS, [(kit.OTHER_NUMBER, "相似 87%", "")]),
        (Stage.MERGED, False, TWINS | MERGED, []),
        (Stage.CLOSED, False, TWINS, []),
        (Stage.HANDLING, False, {}, []),
    ],
)
def test_twins_are_shown_until_that_is_settled(
    stage: Stage, confidential: bool, fields: dict[str, Any], said: list[tuple[str, str, str]]
) -> None:
    found = standing.twins(case(stage, confidential, **fields), speech())
    assert [(one.number, one.alike, one.why) for one in found] == said


# --- whose time it was ---


def test_a_closed_case_has_the_accounts_it_was_closed_with() -> None:
    found = standing.accounts(case(Stage.CLOSED, held={HOUSING: "PT9H"}), kit.ACCOUNTS, speech(), NOW)
    assert (found.whole, found.running) == ("4 小时", False)
    water, community = found.bars
    assert (water.unit, water.role, water.held, water.share) == ("和安供水公司", "牵头", "3 小时", "75%")
    assert (water.width, water.suspended_width) == (100, 66.7)
    assert [(remark.text, remark.kind) for remark in water.remarks] == [
        ("超时：签收", "late"),
        ("其中挂账 2 小时", "suspended"),
        ("延期 1 次", ""),
        ("参与 2 轮", ""),
    ]
    assert (community.role, community.width, community.remarks) == ("", 33.3, [])
    assert not any(bar.running for bar in found.bars)


@pytest.mark.parametrize(("stage", "suspended"), [(Stage.HANDLING, 33.3), (Stage.SUSPENDED, 100)])
def test_an_open_case_counts_on_for_who_is_answerable(stage: Stage, suspended: float) -> None:
    document = case(
        stage,
        assignments=[kit.part(part="signed_in", refusals=1), kit.part(HOUSING, role=Role.CO_HANDLER)],
        missed=[{"obligation": "sign_in", "unit": WATER, "generation": 1}],
        answerable=WATER,
        answerable_since=(NOW - timedelta(hours=2)).isoformat(),
        held={COMMUNITY: "PT1H", WATER: "PT1H"},
        held_suspended={WATER: "PT1H"},
    )
    found = standing.accounts(document, kit.ACCOUNTS, speech(), NOW)
    assert (found.whole, found.running) == ("4 小时", True)
    assert [(bar.unit, bar.held, bar.running) for bar in found.bars] == [
        ("和安供水公司", "3 小时", True),
        ("湖畔社区", "1 小时", False),
        ("区住建委", "0 秒", False),
    ]
    assert found.bars[0].suspended_width == suspended
    assert found.bars[0].remarks[0].text == "超时：签收"


def test_no_bars_where_nothing_is_known() -> None:
    for stage in Stage:
        assert standing.accounts(case(stage), (), speech(), NOW).bars == []
