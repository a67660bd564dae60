"""Which dashboards there are, and where their JSON lies."""

from deploy.grafana.clocks import CLOCKS
from deploy.grafana.engines import ENGINES
from deploy.grafana.loop import LOOP
from deploy.grafana.operations import OPERATIONS
from deploy.grafana.panels import text
from deploy.grafana.unit import UNIT

DASHBOARDS = (OPERATIONS, LOOP, CLOCKS, UNIT, ENGINES)


def documents() -> dict[str, str]:
    """Each dashboard's JSON by its file's path in the project."""
    return {f"deploy/grafana/dashboards/{one.name}.json": text(one) for one in DASHBOARDS}
