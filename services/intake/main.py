"""Intake's composition root: the map from command to handler, and what the service is made of."""

from collections.abc import Callable, Mapping
from functools import partial

from fastapi import FastAPI

from services.intake import api, handlers, hotline
from services.intake.domain.mapping import Gazetteer, gazetteer
from services.intake.domain.whistle import DeclineOrder, ReceiveWhistle, VerifyOrder, Whistle
from services.intake.doors import Doors
from services.intake.reporter import ReporterVault
from services.intake.settings import IntakeSettings, key_bytes
from services.intake.setup import read_catalogue, read_mapping
from services.intake.store import IntakeStates, PostgresRecords
from shared.contracts.topics import WHISTLES
from shared.runtime.district import UNITS, Kind, Setup
from shared.runtime.problems import reads_its_own_body
from shared.runtime.running import Running
from shared.runtime.service import Handler, Service, run

HANDLERS: Mapping[type, Handler] = {
    ReceiveWhistle: handlers.receive_whistle,
    VerifyOrder: handlers.verify_order,
    DeclineOrder: handlers.decline_order,
}


PLACES: Kind[Gazetteer] = Kind(UNITS.name, lambda stored: gazetteer(UNITS.read(stored)))


def service(settings: IntakeSettings) -> Service[Whistle]:
    """The service with its doors for the district of these settings."""
    setup = Setup(PLACES)
    return Service(
        name="intake",
        topic=WHISTLES,
        handlers=HANDLERS,
        states=IntakeStates(),
        routes=doors_for(settings, setup),
        setup=setup,
    )


def doors_for(settings: IntakeSettings, setup: Setup) -> Callable[[FastAPI, Running[Whistle]], None]:
    """Opens the doors. The set-up's files are read here and now: one that cannot be used keeps it from starting."""
    catalogue = read_catalogue(settings.setup / "categories.csv")
    mapping = read_mapping(settings.setup / "hotline_mapping.yaml")
    vault = ReporterVault(key_bytes(settings.reporter_key))

    def routes(app: FastAPI, running: Running[Whistle]) -> None:
        open_doors(
            app,
            Doors(
                door=running.door,
                gatekeeper=running.gatekeeper,
                records=PostgresRecords(running.pool, settings.district_letters, settings.zone),
                in_force=partial(setup.current, PLACES),
                catalogue=catalogue,
                mapping=mapping,
                vault=vault,
                zone=settings.zone,
            ),
        )

    return routes


def open_doors(app: FastAPI, doors: Doors) -> None:
    app.state.intake = doors
    add_routes(app)


def add_routes(app: FastAPI) -> None:
    """The routes alone: enough to describe them (OpenAPI) without a database."""
    reads_its_own_body(app, "/hotline/orders/csv")
    app.include_router(api.router)
    app.include_router(hotline.router)


if __name__ == "__main__":
    given = IntakeSettings()
    run(service(given), given)
