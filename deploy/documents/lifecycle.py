"""docs/reference/lifecycle.md, from the lifecycle table."""

from collections.abc import Iterator

from deploy.documents.markdown import code, table
from deploy.documents.markdown import page as whole_page
from deploy.documents.words import chinese
from shared.contracts.lifecycle import OPENING, RECORDED_ANYWHERE, STAGES, TRANSITIONS, StageRow
from shared.contracts.vocabulary import Obligation, Stage

INTRODUCTION = """\
A case (哨单) stands in exactly one stage. A stage that *waits* owns at least one obligation (时限), so a
deadline always runs in it; a stage that does not wait is left in the same decision that entered it. Which fact may
follow in which stage is this table and nothing else: the router refuses to state a fact that is not in it."""


def page() -> str:
    anywhere = ", ".join(code(fact.NAME) for fact in RECORDED_ANYWHERE)
    opening = " or ".join(code(stage.value) for stage in OPENING)
    return whole_page(
        "Lifecycle of a case · 哨单流转",
        "shared/contracts/lifecycle.py",
        INTRODUCTION,
        diagram(),
        "## Stages · 环节",
        table(
            ("stage", "环节", "GB/T 30428", "obligations that run · 时限", ""),
            [_stage_row(stage, row) for stage, row in STAGES.items()],
        ),
        "## Transitions · 流转",
        f"`case.opened.v1` begins a case, in {opening}. {anywhere} are recorded in any stage and change none.",
        table(("fact", "stage before", "stage after"), _transitions()),
    )


def diagram() -> str:
    """The same as a Mermaid state diagram; what leaves a case where it is, is left out."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {stage.value}: {stage.value} {row.chinese}" for stage, row in STAGES.items()]
    lines += [f"    [*] --> {stage.value}" for stage in OPENING]
    for (before, after), facts in _edges().items():
        lines.append(f"    {before} --> {after}: {', '.join(facts)}")
    lines += [f"    {stage.value} --> [*]" for stage, row in STAGES.items() if row.final]
    return "\n".join([*lines, "```"])


def _edges() -> dict[tuple[str, str], list[str]]:
    edges: dict[tuple[str, str], list[str]] = {}
    for fact, moves in TRANSITIONS.items():
        name = fact.NAME.removeprefix("case.").removesuffix(".v1")
        for before, afters in moves.items():
            for after in afters:
                if after is not before:
                    edges.setdefault((before.value, after.value), []).append(name)
    return edges


def _stage_row(stage: Stage, row: StageRow) -> tuple[str, ...]:
    words = chinese(Obligation)
    owed = ", ".join(f"{code(one.value)} {words[one.value]}" for one in row.obligations)
    kind = "final · 终结" if row.final else ("waits" if row.waits else "passed through")
    return code(stage.value), row.chinese, row.gb_stage, owed or "—", kind


def _transitions() -> Iterator[tuple[str, ...]]:
    for fact, moves in TRANSITIONS.items():
        for before, afters in moves.items():
            yield code(fact.NAME), code(before.value), ", ".join(code(after.value) for after in afters)
