"""Anonymisation under attack: what is planted, however it is disguised, cannot be read back from what is shown."""

import csv
import gzip
import random
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.feedback.domain.anonymity.anonymity import anonymised
from services.feedback.domain.anonymity.shadow import shadow_of

MESSAGES = Path(__file__).parents[4] / "shared" / "data"
CHINESE = str.maketrans("0123456789", "零一二三四五六七八九")
SPOKEN = str.maketrans("0123456789", "〇幺二三四五六七八九")
FORMAL = str.maketrans("0123456789", "零壹贰叁肆伍陆柒捌玖")
CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")


def full_width(text: str) -> str:
    return "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text)


def between(mark: str, every: int = 1) -> Callable[[str], str]:
    def disguise(text: str) -> str:
        return mark.join(text[place : place + every] for place in range(0, len(text), every))

    return disguise


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "full width": full_width,
    "half in full width": lambda text: full_width(text[: len(text) // 2]) + text[len(text) // 2 :],
    "zero-width space": between("\u200b"),
    "word joiner": between("\u2060", 2),
    "soft hyphen": between("\u00ad", 3),
    "variation selector": between("\ufe0f"),
    "right-to-left mark": between("\u200f", 2),
    "keycap": between("\ufe0f\u20e3"),
}
IN_DIGITS: dict[str, Callable[[str], str]] = {
    **DISGUISES,
    "Chinese": lambda text: text.translate(CHINESE),
    "spoken": lambda text: text.translate(SPOKEN),
    "formal": lambda text: text.translate(FORMAL),
    "circled": lambda text: text.translate(CIRCLED),
    "mixed": lambda text: text[:4].translate(CHINESE) + text[4:8] + full_width(text[8:]),
    "spaced": between(" "),
    "grouped": between(" ", 4),
    "dashes": between("-", 3),
    "full-width dashes": between("－", 4),
    "dots": between(".", 3),
    "middle dots": between("·", 4),
    "underscores": between("_"),
    "slashes": between("/", 3),
    "ideographic space": between("\u3000", 3),
    "commas": between("，", 4),
    "enumeration": between("、", 4),
    "line breaks": between("\n", 4),
    "spaced Chinese": lambda text: between(" ")(text.translate(CHINESE)),
    "letters for digits": lambda text: text[0] + text[1:-1].replace("0", "O") + text[-1],
}
IN_NAMES: dict[str, Callable[[str], str]] = {
    **DISGUISES,
    "spaced": between(" "),
    "ideographic space": between("\u3000"),
    "dotted": between("·"),
}
IN_PLATES: dict[str, Callable[[str], str]] = {
    **DISGUISES,
    "spaced": between(" "),
    "middle dot": lambda text: f"{text[:2]}·{text[2:]}",
    "small letters": str.lower,
}

PHONES = ["13812345678", "15900001234", "19988776655", "17012340987"]
LANDLINES = ["01068123456", "073188665544", "4008108888", "68123456"]
IDENTITIES = ["110101198001011234", "43010219991231567X", "110101800101123"]
CARDS = ["6222021234567890123", "6217001234567890"]
PLATES = ["京A12345", "湘A9B8C7", "粤BD12345", "沪C1234D", "京A1234警", "苏E1234学"]
EMAILS = ["zhangwei88@qq.com", "li.na@example.com.cn"]
ACCOUNTS = ["zhang_wei88", "wxid_a1b2c3d4", "12345678"]
NAMES = ["张伟", "王秀英", "欧阳明月", "李建国", "陈思远", "司马静"]
DOORS = [
    ("3号楼2单元501室", ["3号楼", "2单元", "501"]),
    ("五号楼二单元三零一", ["5号楼", "2单元", "301"]),
    ("8栋1204室", ["8栋", "1204"]),
    ("3-2-501", ["501", "3-2"]),
    ("1#2-301", ["301"]),
    ("12幢三单元六零二户", ["12幢", "602"]),
]

DIGIT_SENTENCES = [
    "请回电{}，谢谢",
    "我的电话是{}",
    "联系人手机:{}。",
    "（{}）请联系",
    "楼上漏水，{}，急！",
    "电话{}转物业",
    "{}",
]
NAME_SENTENCES = [
    "联系人：{}，小区停水",
    "我叫{}，楼上漏水",
    "业主{}反映楼道堆物",
    "{}先生来电反映路灯不亮",
    "市民{}女士要求修路",
    "投诉人:{}\n小区噪音",
    "{}，男，四十岁，反映占道",
    "请联系{}13812345678",
]


def read_back(text: str) -> str:
    """What a reader who takes trouble sees: one form, no separators, numerals as digits."""
    figures = shadow_of(unicodedata.normalize("NFKC", text)).figures
    return re.sub(r"[\s\W_]", "", figures).replace("o", "0").replace("l", "1")


def of_digits() -> Iterator[tuple[str, str, str]]:
    for secret in PHONES + LANDLINES + IDENTITIES + CARDS:
        for name, disguise in IN_DIGITS.items():
            for sentence in DIGIT_SENTENCES:
                as_list = secret in ("68123456", "4008108888") and name in ("commas", "enumeration", "line breaks")
                if as_list and "电话" not in sentence and "手机" not in sentence:
                    continue  # eight digits in a list, and nothing that says it is a number to call
                yield name, sentence.format(disguise(secret)), secret


def check_hidden(text: str, secrets: list[str]) -> None:
    shown = anonymised(text).text
    seen = read_back(shown)
    for secret in secrets:
        assert read_back(secret) not in seen, (text, shown)
    assert anonymised(shown).text == shown, (text, shown, anonymised(shown).text)


def test_no_number_can_be_read_back() -> None:
    tried = 0
    for _, text, secret in of_digits():
        check_hidden(text, [secret, secret[-8:], secret[:8]])
        tried += 1
    assert tried > 2000


@pytest.mark.parametrize("name", IN_NAMES)
def test_no_name_can_be_read_back(name: str) -> None:
    for secret in NAMES:
        for sentence in NAME_SENTENCES:
            check_hidden(sentence.format(IN_NAMES[name](secret)), [secret])


@pytest.mark.parametrize("name", IN_PLATES)
def test_no_plate_can_be_read_back(name: str) -> None:
    for secret in PLATES:
        for sentence in ("车牌{}长期占道", "{}违停", "一辆白色轿车（{}）堵门", "车牌号为{}。"):
            disguised = IN_PLATES[name](secret)
            check_hidden(sentence.format(disguised), [secret, secret[2:7]])


@pytest.mark.parametrize("name", DISGUISES)
def test_no_account_or_address_of_the_net_can_be_read_back(name: str) -> None:
    for secret in EMAILS:
        for sentence in ("邮箱{}", "请发{}，谢谢", "联系（{}）"):
            check_hidden(sentence.format(DISGUISES[name](secret)), [secret.split("@")[0]])
    for secret in ACCOUNTS:
        for sentence in ("微信号：{}", "加微{}详谈", "QQ {}", "vx：{}，", "抖音号{}"):
            check_hidden(sentence.format(DISGUISES[name](secret)), [secret])
    shown = anonymised(DISGUISES[name]("https://x.cn/p?uid=zhangwei88&t=1") + " 见图").text
    assert "zhangwei" not in read_back(shown)


@pytest.mark.parametrize("name", DISGUISES)
def test_no_door_can_be_read_back_while_road_and_compound_stay(name: str) -> None:
    for door, secrets in DOORS:
        for sentence in ("幸福路88号幸福家园{}楼上漏水", "住幸福路 88 号幸福家园{}，停水", "幸福家园{}"):
            text = sentence.format(DISGUISES[name](door))
            check_hidden(text, [*secrets, "88号"])
            assert "幸福家园" in anonymised(text).text
            assert ("幸福路" in anonymised(text).text) == ("幸福路" in text)


def test_hidden_pieces_in_sentences_of_many_kinds() -> None:
    chosen = random.Random(6)
    for _ in range(1500):
        phone, name, plate = chosen.choice(PHONES), chosen.choice(NAMES), chosen.choice(PLATES)
        (door, doors), identity = chosen.choice(DOORS), chosen.choice(IDENTITIES)
        digits = list(IN_DIGITS.values())
        text = (
            f"{chosen.choice(['业主', '我叫', '联系人：', '居民'])}{chosen.choice(list(IN_NAMES.values()))(name)}"
            f"{chosen.choice(['，', '反映，', '来电：'])}身份证{chosen.choice(digits)(identity)}，"
            f"住幸福路八十八号幸福家园{door}"
            f"{chosen.choice(['，', '。', ' ', chr(10)])}{chosen.choice(list(DISGUISES.values()))(plate)}占道，"
            f"电话{chosen.choice(digits)(phone)}{chosen.choice(['。', '！', '转告', ''])}"
        )
        check_hidden(text, [phone, name, plate, identity, *doors, "88号"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("幸福路88号幸福家园3号楼2单元501室", "幸福路幸福家园"),
        ("居民王女士反映路灯不亮", "居民某女士反映路灯不亮"),
        ("我叫张伟，电话13812345678", "我叫某某，电话（电话略）"),
        ("张伟多次来电，张伟的邻居也反映", "某某多次来电，某某的邻居也反映"),
        ("联系人：张伟。张伟的邻居也反映", "联系人：某某。某某的邻居也反映"),
        ("京A·12345长期占道", "（车牌略）长期占道"),
        ("（2023）湘0102民初1234号判决", "（案号略）判决"),
        ("生于1980年3月2日，低保户", "生于（日期略），低保户"),
        ("联系人：阿依古丽·买买提，", "联系人：某某，"),
        ("他姓王的", "他姓某的"),
        ("王建国、李秀英和张伟三人反映", "某某、某某和某某三人反映"),
        ("王建国（身份证尾号略）", "某某（身份证尾号略）"),
        ("邮箱zhangsan#qq.com", "邮箱（邮箱略）"),
    ],
)
def test_what_is_shown_instead(text: str, shown: str) -> None:
    assert anonymised(text).text == shown


UNTOUCHED = [
    "2026年11月23日已修复。",
    "2026-11-23 09:30:00 到场",
    "已拨打12345热线、110和119。",
    "本月第3次反映。",
    "涉及100户居民、300余人。",
    "地铁3号线施工，5号路口封闭。",
    "乘坐101、102、703路公交。",
    "补贴1,234,567.00元，共计1500000元。",
    "面积约1200平方米，投资3500万元。",
    "人民路与解放路交叉口路灯不亮，已更换12盏。",
    "老王和小李、王某某均已知情。",
    "楼道一层水管漏水，已更换。",
    "一栋楼停电，共12栋楼受影响。",
    "业主高度不满，居民周末休息受影响。",
    "小区5号停水，11月5号恢复。",
    "国发〔2020〕12号文件",
    "惠民超市占道经营，已劝离。",
    "1、更换水泵；2、清理管道；3、加强巡查。",
    "经核查，情况属实，已于当日完成整改，感谢您的理解和支持。",
    "工程师到现场勘察，高新区管委会已安排施工单位修复路面。",
    "幼儿园门口早晚高峰拥堵，交警大队已增派警力。",
    "温度38.5度，噪声65分贝，停水时间8:00至18:00。",
    "物业公司承诺一周内整改，社区将持续跟进。",
    "王府井大街、张家村、李家沱一带",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert anonymised(text).text == text


ADVERSARIES = [
    *(
        "1",
        "1 ",
        "一",
        "张",
        "张伟",
        "a",
        "a.",
        "a@",
        "@",
        "号",
        "3号",
        "3-",
        "3-2-",
        "京a",
        "京A1",
        "(2023)湘",
        "姓名",
    ),
    *("联系人：", "o", "1o", "\n", "１", "\u200b", "qq", "微信a", "路1", "http://", "https://a?", "先生", "王先生"),
    *("生于19", "·", "张·", "0,"),
]


@pytest.mark.parametrize("piece", ADVERSARIES)
def test_time_grows_no_faster_than_the_text(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        began = time.process_time()
        anonymised(text)
        return time.process_time() - began

    anonymised(piece)
    short, long = seconds(12_500), seconds(100_000)
    assert long < 8 * 4 * max(short, 0.02), (short, long)


def test_real_messages_keep_their_sense_and_lose_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(MESSAGES.glob("citizen_messages*.csv.gz"))
    if not files:
        pytest.skip("no messages here")
    before = after = messages = 0
    found: Counter[str] = Counter()
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                for text in filter(None, row.values()):
                    shown = anonymised(text)
                    figures = shadow_of(shown.text).figures
                    assert not re.search(r"(?<![0-9])1[3-9][0-9]{9}(?![0-9])|(?<![0-9])[0-9]{17}[0-9x]", figures), (
                        figures
                    )
                    found.update({kind.value: count for kind, count in shown.found.items()})
                    before, after, messages = before + len(text), after + len(shown.text), messages + 1
    with capsys.disabled():
        said = f"{messages} texts, {found.total()} pieces {dict(found)}, {1 - after / before:.2%} of characters gone"
        print(f"\n{said}")  # noqa: T201 - the figures are for whoever asks
    assert 1 - after / before < 0.02
