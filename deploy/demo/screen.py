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

WORDS = {
    "self_handled": "社区自办 self-handled",
    "street": "街道报到 street",
    "department": "部门直派 department",
    "hub_desk": "区兜底 hub desk",
    "resident_verified": "居民点单核实 verified",
    "resident_declined": "不予受理 declined",
    "signed_in": "签收报到 signed in",
    "refusal_upheld": "退单成立 refusal upheld",
    "refusal_dismissed": "退单不成立 dismissed",
    "consultation_designated": "会商指定 designated",
    "check_failed_rework": "核查不过返工 rework",
    "unsatisfied_reopened": "不满意重办 reopened",
    "rated": "评单 rated",
    "rating_lapsed": "未评价 rating lapsed",
    "warned": "黄灯 yellow",
    "overdue": "红灯 overdue",
    "escalated": "升级督促 escalated",
    "hotline_json": "12345 推送 pushed",
    "hotline_csv": "12345 文件 file",
    "hotline_answered": "12345 答复 answered",
    "repeat_recognised": "重复识别 repeat",
    "bad_row_reported": "坏行退回 bad row",
    "archived": "归档 archived",
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
    for _ in range(2):
        branches.add_column("")
        branches.add_column("次数", justify="right")
    half = (len(BRANCHES) + 1) // 2
    for left, right in zip(BRANCHES[:half], [*BRANCHES[half:], ""], strict=False):
        cells = [WORDS[left], _count(tally, left)]
        branches.add_row(*cells, *([WORDS[right], _count(tally, right)] if right else ["", ""]))
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
