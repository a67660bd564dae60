"""What one sees while the rehearsal runs: where the cases stand, what was played, how fast."""

import sys

from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.demo.tally import BRANCHES, Tally
from shared.contracts.lifecycle import STAGES
from shared.contracts.vocabulary import Stage

COLUMNS = 3

WORDS = {
    "self_handled": "社区自办 self-handled",
    "street": "街道报到 street",
    "department": "部门直派 department",
    "hub_desk": "区兜底 hub desk",
    "conflict_of_interest": "利益冲突回避 conflict",
    "resident_verified": "居民点单核实 verified",
    "resident_declined": "不予受理 declined",
    "signed_in": "签收报到 signed in",
    "joint_by_rule": "规则联办 joint by rule",
    "joint_by_hub": "增加协办 joined",
    "co_handler_released": "解除协办 released",
    "transferred": "转办 transferred",
    "lead_changed": "变更牵头 lead changed",
    "refusal_upheld": "退单成立 refusal upheld",
    "refusal_dismissed": "退单不成立 dismissed",
    "consultation_designated": "会商指定 designated",
    "signed_in_during_refusal": "退单中他人签收 others go on",
    "extension_approved": "同意延期 extended",
    "extension_not_approved": "不同意延期 not extended",
    "suspended": "挂账 suspended",
    "understanding_list": "谅解清单 understanding",
    "resumed_on_its_date": "到期复核恢复 review date",
    "resumed_by_order": "提前恢复 resumed",
    "phased_list": "阶段性清单 phased",
    "milestone_reached": "节点完成 milestone",
    "supervised_by_hub": "督办 supervised",
    "supervised_by_clock": "超期督办 by the clock",
    "taken_over": "提级办理 taken over",
    "supervision_ended": "督办解除 supervision ended",
    "raised": "提高紧急程度 raised",
    "corrected": "更正 corrected",
    "commented": "备注 commented",
    "withdrawn": "撤单 withdrawn",
    "duplicate_found": "疑似重复 duplicate",
    "merged": "并案 merged",
    "unmerged": "撤销并案 unmerged",
    "merged_answered": "并案答复 answered",
    "rules_changed": "新规则派单 new rules",
    "handed_over": "机构调整承接 handed over",
    "due_times_told": "限时告知 due times told",
    "limit_of_its_own": "例外时限 its own limit",
    "limits_changed": "新限时规则 new limits",
    "limits_applied": "适用于在办 applied",
    "provisional": "暂定时限 provisional",
    "year_published": "新年度重算 year published",
    "check_failed_rework": "核查不过返工 rework",
    "unsatisfied_reopened": "不满意重办 reopened",
    "checked_unit_by_unit": "逐单位核查 unit by unit",
    "rated": "评单 rated",
    "resident_asked": "请居民评价 asked",
    "sampled": "抽查 sampled",
    "sample_in_order": "抽查合格 sample in order",
    "sample_wanting": "抽查重办 sample wanting",
    "exclusion_approved": "同意剔除 excluded",
    "exclusion_turned_down": "不予剔除 not excluded",
    "published": "公示 published",
    "withheld": "撤下公示 withheld",
    "surge": "诉求激增 surge",
    "rating_lapsed": "未评价 rating lapsed",
    "warned": "黄灯 yellow",
    "overdue": "红灯 overdue",
    "escalated": "升级督促 escalated",
    "hotline_answered": "12345 答复 answered",
    "archived": "归档 archived",
    "hotline_json": "12345 推送 pushed",
    "hotline_csv": "12345 文件 file",
    "repeat_recognised": "重复识别 repeat",
    "bad_row_reported": "坏行退回 bad row",
    "answered_by_link": "链接评价 by link",
    "link_used_twice": "链接重用被拒 used twice",
    "link_altered": "链接篡改被拒 altered",
    "link_guessed": "链接猜测被拒 guessed",
    "called_back_by_12345": "12345 回访 called back",
    "digests": "汇总通知 digests",
    "letters": "告知书 letters",
    "on_the_public_board": "公示栏 public board",
    "answered_12345_by_http": "12345 回告 by HTTP",
    "scorecard_computed": "考核表 computed",
    "scorecard_too_early": "未到期不发布 too early",
    "scorecard_published": "考核表发布 published",
    "scorecard_exported": "考核表导出 exported",
    "scorecard_verified": "由日志重算一致 verified",
}


def render(tally: Tally, total: int | None, elapsed: float, board: str, doing: str) -> Group:
    """The whole picture, made anew each time. `total` None = not known yet."""
    stages = Table(title="哨单 cases", expand=True, show_edge=False)
    stages.add_column("阶段 stage")
    stages.add_column("数量", justify="right")
    found = tally.by_stage
    for stage, row in STAGES.items():
        if found[stage] or stage in (Stage.HANDLING, Stage.RATING, Stage.ARCHIVED):
            stages.add_row(f"{row.chinese} {stage.value}", str(found[stage]))
    branches = Table(title="支线 branches", expand=True, show_edge=False)
    for _ in range(COLUMNS):
        branches.add_column("")
        branches.add_column("次数", justify="right")
    rows = -(-len(BRANCHES) // COLUMNS)
    for place in range(rows):
        shown = BRANCHES[place::rows]
        branches.add_row(*(cell for branch in shown for cell in (WORDS[branch], _count(tally, branch))))
    both = Table.grid(expand=True)
    both.add_column(ratio=2)
    both.add_column(ratio=5)
    both.add_row(stages, branches)
    done, of = tally.final, total or max(tally.accepted, 1)
    bar = Table.grid(expand=True)
    bar.add_row(ProgressBar(total=of, completed=done), Text(f" {done}/{of} 办结归档 final · {elapsed:.0f} s"))
    where = Text(f"实时看板 live board: {board}", style="bold")
    return Group(Panel(Group(Text(doing), bar, both, where), title="吹哨报到 · chuishao rehearsal"))


def _count(tally: Tally, branch: str) -> str:
    count = tally.branches[branch]
    return f"[green]{count}[/]" if count else "[dim]0[/]"


def line(tally: Tally, elapsed: float) -> str:
    """One line of progress, where there is no terminal to draw on."""
    found = " ".join(f"{stage.value}={count}" for stage, count in sorted(tally.by_stage.items()) if count)
    return f"[{elapsed:5.1f} s] accepted {tally.accepted}, final {tally.final}: {found}"


def is_live() -> bool:
    return sys.stdout.isatty()
