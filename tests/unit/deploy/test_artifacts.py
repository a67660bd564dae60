import re

from deploy.local import artifacts


def test_every_jar_is_pinned_to_a_hash() -> None:
    jars = artifacts.locked_jars()
    assert len(jars) == 46
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert len({jar.file_name for jar in jars}) == len(jars)


def test_broker_and_clients_are_of_one_version() -> None:
    kafka = {jar.version for jar in artifacts.locked_jars() if jar.group == "org.apache.kafka"}
    assert kafka == {artifacts.kafka_version()}
