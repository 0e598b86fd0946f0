"""The sensor `stack_arrivals`: which frames there are, and which of their stacks have something new that is whole.

Belongs here: the catalogue beside Dagster's partitions, and the tick as a whole. Does not belong here: the looks at the
stacks (discovery_sweep.py), and which runs follow (condition.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from sbas_assets.assets.declare import FRAMES
from sbas_assets.assets.source import listed
from sbas_assets.automation.discovery_cursor import Cursor, Pace
from sbas_assets.automation.discovery_sweep import Sweep
from sbas_assets.automation.settings import sensor_interval
from sbas_assets.errors import InputError
from sbas_assets.frames import FrameCatalogue, FrameConfig
from sbas_assets.resources import Platform
from sbas_assets.workspace import Settings

TOLD = 20
"""Frames in a line of the log."""


@dg.sensor(
    minimum_interval_seconds=sensor_interval(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks at the frames' stacks: reports what is new and whole, and adds new frames. Requests no runs.",
)
def stack_arrivals(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Report the stacks that have changed, have come to rest and are whole; make new frame files partitions."""
    settings, pace = platform.settings, Pace.from_env()
    before = _read_cursor(context)
    configs, broken = _catalogue(settings)
    for error in broken:
        context.log.warning(f"left out, its file is wrong: {error}")
    partitions = set(FRAMES.get_partition_keys(dynamic_partitions_store=context.instance))
    new, gone = sorted(configs.keys() - partitions), _gone(settings, partitions)
    _tell_catalogue(context, new, gone, before, settings)
    sweep = Sweep(context, settings, pace, {key: before.frames[key] for key in configs if key in before.frames})
    sweep.look_at(configs, partitions)
    sweep.fail_if_nothing_was_seen()
    return dg.SensorResult(
        skip_reason=sweep.summary(),
        dynamic_partitions_requests=[FRAMES.build_add_request(new)] if new else [],
        asset_events=list(sweep.events.values()),
        cursor=Cursor(sweep.frames, tuple(gone)).text(),
    )


def _read_cursor(context: dg.SensorEvaluationContext) -> Cursor:
    if not context.cursor:
        return Cursor({})
    try:
        return Cursor.read(context.cursor)
    except ValueError as error:
        context.log.error(f"the sensor's cursor cannot be read ({error}): every stack is looked at and judged anew")
        return Cursor({})


def _catalogue(settings: Settings) -> tuple[dict[str, FrameConfig], list[InputError]]:
    found = FrameCatalogue(settings.root).items()
    configs = {key: config for key, config in found if not isinstance(config, InputError)}
    return configs, [error for _, error in found if isinstance(error, InputError)]


def _gone(settings: Settings, partitions: set[str]) -> list[str]:
    """Return the partitions that have no file any more.

    A folder that is gone as a whole is a disk that is not mounted, rather than a person who has removed every frame.
    """
    gone = sorted(partitions - set(FrameCatalogue(settings.root).keys()))
    if gone and not settings.frames.is_dir():
        raise dg.Failure(f"{settings.frames} does not exist, but there are {len(gone)} frames: is SBAS_ROOT mounted?")
    return gone


def _tell_catalogue(
    context: dg.SensorEvaluationContext, new: Sequence[str], gone: Sequence[str], before: Cursor, settings: Settings
) -> None:
    if new:
        context.log.info(f"new frames: {listed(new, TOLD)}")
    if lately := [key for key in gone if key not in before.gone]:
        context.log.warning(
            f"there is no file in {settings.frames} any more of: {listed(lately, TOLD)}. They are not looked at; their "
            "partitions and their history stay until somebody deletes the partitions in the UI"
        )


SENSORS = [stack_arrivals]
