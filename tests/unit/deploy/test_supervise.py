import configparser
import shlex
import signal
from pathlib import Path

from deploy.local.places import Places
from deploy.local.supervise import Supervised, _configuration


def test_any_folder_name_survives_the_configuration() -> None:
    folder = Path('/home/a b/社区 "吹哨" 100%s')
    text = _configuration(4000, "pw", [Supervised("kafka", signal.SIGTERM, 30)], Places(folder))
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    program = parser["program:kafka"]
    # supervisord expands %(…)s, then splits like a shell.
    assert shlex.split(program["command"].replace("%%", "%"))[-1] == str(folder / "programs" / "kafka.json")
    assert program["autorestart"] == "true"
    assert program["stopsignal"] == "TERM"
