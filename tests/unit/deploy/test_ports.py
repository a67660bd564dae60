import socket
from pathlib import Path

from deploy.local import ports


def test_ports_are_distinct_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = ports.settle(file, ["kafka", "postgresql", "intake"], seed="a stack")
    assert len(set(first.values())) == 3
    assert ports.settle(file, ["kafka", "postgresql", "intake"], seed="a stack") == first


def test_a_port_taken_by_another_is_left_to_it(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = ports.settle(file, ["kafka", "intake"], seed="a stack")
    with socket.create_server(("127.0.0.1", first["kafka"])):
        second = ports.settle(file, ["kafka", "intake"], seed="a stack")
    assert second["kafka"] != first["kafka"]
    assert second["intake"] == first["intake"]


def test_ports_are_below_the_ephemeral_range(tmp_path: Path) -> None:
    chosen = ports.settle(tmp_path / "ports.json", [str(n) for n in range(20)], seed="any")
    assert all(port < 32_768 for port in chosen.values())
