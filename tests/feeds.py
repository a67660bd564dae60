"""Makes a 12345-shaped CSV file of real citizens' messages, where they are: `python -m tests.feeds OUT.csv`.

The messages are read from where they lie, `../shared/data` beside the project or `CHUISHAO_DATA`; their text is
never part of the project. Names and phones are made up.
"""

import argparse
import csv
import gzip
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from shared.contracts.units import UnitTree
from shared.contracts.vocabulary import UnitKind
from shared.runtime.setup_files import read_units

PROJECT = Path(__file__).resolve().parents[1]
MESSAGES = Path(os.environ.get("CHUISHAO_DATA", PROJECT.parent / "shared" / "data")) / "citizen_messages.csv.gz"
UNITS = PROJECT / "deploy" / "district" / "units.yaml"

COLUMNS = (
    "工单编号",
    "工单类型",
    "问题分类",
    "标题",
    "主要内容",
    "工单状态",
    "来电人",
    "来电人电话",
    "来电时间",
    "被反映区",
    "被反映街乡镇",
    "办理结果",
    "回复内容",
    "办结时间",
    "是否解决",
    "是否满意",
    "工单性质",
    "村/社区",
)

# A word in the message → the category 12345's agent would choose; the first that is found.
CATEGORIES = (
    ("停水", "供水->停水"),
    ("自来水", "供水->水质"),
    ("停电", "供电->停电"),
    ("电费", "供电->电压不稳"),
    ("燃气", "燃气->燃气设施"),
    ("天然气", "燃气->燃气设施"),
    ("暖气", "供热->温度不达标"),
    ("噪音", "噪声污染->社会生活噪声"),
    ("噪声", "噪声污染->施工噪声"),
    ("扰民", "噪声污染->社会生活噪声"),
    ("物业", "物业监管->物业履职"),
    ("垃圾", "环境卫生->垃圾清运"),
    ("油烟", "大气污染->餐饮油烟"),
    ("公交", "公共交通->公交线路"),
    ("地铁", "公共交通->地铁接驳"),
    ("路灯", "市政设施->路灯"),
    ("违建", "违法建设->私搭乱建"),
    ("违章", "违法建设->私搭乱建"),
    ("食品", "食品安全->餐饮卫生"),
    ("养老", "养老服务->养老机构"),
    ("低保", "社会救助->低保"),
    ("停车", "交通秩序->违法停车"),
    ("医院", "医疗卫生->社区就诊"),
    ("房", "房屋管理->房屋安全"),
    ("学校", "教育文体->教育行政管理->其他"),
)
NO_CATEGORY = "其他->其他"

TYPES = (("咨询", "咨询"), ("建议", "意见建议"), ("举报", "举报"), ("投诉", "投诉"), ("感谢", "表扬"))


def rows(count: int, units: UnitTree, messages: Path = MESSAGES) -> Iterator[dict[str, str]]:
    """`count` orders; beyond the number of messages they come again under new numbers."""
    communities = sorted((unit for unit in units if unit.kind is UnitKind.COMMUNITY), key=lambda unit: unit.code)
    written = 0
    while written < count:
        before = written
        turn = written
        with gzip.open(messages, "rt", encoding="utf-8-sig", newline="") as file:
            for message in csv.DictReader(file):
                if written == count:
                    return
                community = communities[crc32(message["id"].encode()) % len(communities)]
                street = units.nearest(community.code, UnitKind.STREET)
                written += 1
                yield _row(message, f"GD{message['id']}-{turn}", community.name, street.name if street else "")
        if written == before:
            return


def _row(message: dict[str, str], reference: str, community: str, street: str) -> dict[str, str]:
    told = message["subject"] + message["content"]
    chance = crc32(reference.encode())
    return dict.fromkeys(COLUMNS, "") | {
        "工单编号": reference,
        "工单类型": next((written for word, written in TYPES if word in told), "求助"),
        "问题分类": next((category for word, category in CATEGORIES if word in told), NO_CATEGORY),
        "标题": message["subject"].strip(),
        "主要内容": message["content"].strip(),
        "工单状态": "待派单",
        "来电人": "王李张刘陈"[chance % 5] + ("先生", "女士")[chance % 2],
        "来电人电话": f"010-5550{chance % 10_000:04d}",
        "来电时间": message["created_at"],
        "被反映区": "和安区",
        "被反映街乡镇": street,
        "工单性质": "主办",
        "村/社区": community,
    }


def write(out: Path, count: int, encoding: str = "utf-8-sig", messages: Path = MESSAGES) -> int:
    """Write the file; returns the number of orders. What an encoding lacks becomes `?`, as real exports do it."""
    written = 0
    with out.open("w", encoding=encoding, errors="replace", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows(count, read_units(UNITS), messages):
            writer.writerow(row)
            written += 1
    return written


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=2900)
    parser.add_argument("--encoding", choices=("utf-8", "utf-8-sig", "gbk", "gb18030"), default="utf-8-sig")
    given = parser.parse_args()
    if not MESSAGES.exists():
        sys.stderr.write(f"{MESSAGES} is not there; name its folder with CHUISHAO_DATA.\n")
        return 1
    count = write(given.out, given.rows, given.encoding)
    sys.stdout.write(f"{given.out}: {count} orders, {given.out.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
