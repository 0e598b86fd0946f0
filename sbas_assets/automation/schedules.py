"""Schedules: which frames are due at a certain hour.

Belongs here: deciding that from the frames' records. Does not belong here: what a run does.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from sbas_assets.assets.declare import FRAMES, JOB
from sbas_assets.errors import InputError
from sbas_assets.frames import FrameCatalogue
from sbas_assets.mintpy.era5_standing import news_expected
from sbas_assets.resources import Platform


@dg.schedule(
    job_name=JOB,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def era5_daily(context: dg.ScheduleEvaluationContext, platform: Platform) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Process the frames for which ERA5 should have by now what it did not: late dates, and final data."""
    known = set(FRAMES.get_partition_keys(dynamic_partitions_store=context.instance))
    due = {}
    for key, config in FrameCatalogue(platform.settings.root).items():
        # a broken file is told by `frames list` and by the frame's own runs
        if key in known and not isinstance(config, InputError) and (dates := news_expected(platform.frame(key))):
            due[key] = dates
    for key, dates in due.items():
        tags = {"sbas/era5_dates": ",".join(dates)[:255]}
        yield dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y%m%d}:{key}", partition_key=key, tags=tags)
    if not due:
        yield dg.SkipReason("no frame waits for ERA5 data that are expected by now")


SCHEDULES = [era5_daily]
