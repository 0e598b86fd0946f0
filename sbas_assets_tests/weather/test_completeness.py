"""The check era5_complete looks at the files themselves, each time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from sbas_assets.assets.declare import JOB
from sbas_assets.definitions import build_definitions
from sbas_assets.resources import Platform
from sbas_assets_tests.frames_at_work import QUIET
from sbas_assets_tests.mintpy.weather_files import NAMED, FrameWithAttributes
from sbas_assets_tests.weather.cds_server import CdsServer
from sbas_assets_tests.weather.conftest import DATES
from sbas_assets_tests.weather.era5_at_work import ERA5, weather_folder

CHECK = dg.AssetCheckKey(dg.AssetKey("era5"), "era5_complete")


def checked(frame: FrameWithAttributes) -> dg.AssetCheckEvaluation:
    """The check alone."""
    definitions = build_definitions(resources={"platform": Platform(root=str(frame.root), echo=False)})
    job = definitions.resolve_job_def(JOB).get_subset(asset_selection=set(), asset_check_selection={CHECK})
    done = job.execute_in_process(
        instance=frame.instance, partition_key=frame.key, raise_on_error=False, run_config=QUIET
    )
    (found,) = (event for event in done.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION")
    return found.asset_check_evaluation_data


def remove(frame: FrameWithAttributes) -> str:
    (weather_folder(frame) / NAMED.format(DATES[1])).unlink()
    return f"{NAMED.format(DATES[1])}: gone or replaced"


def change_a_byte(frame: FrameWithAttributes) -> str:
    path: Path = weather_folder(frame) / NAMED.format(DATES[2])
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    return f"{NAMED.format(DATES[2])}: gone or replaced"


def know_a_date_more(frame: FrameWithAttributes) -> str:
    path = frame.workspace.record("topsStack")
    record = json.loads(path.read_text())
    record["facts"]["dates_loaded"].append("20220302")
    path.write_text(json.dumps(record))
    return "20220302: the stack has it, era5 has not seen it"


@pytest.mark.parametrize("spoil", [remove, change_a_byte, know_a_date_more], ids=lambda spoil: spoil.__name__)
def test_a_file_or_date_that_era5_did_not_vouch_for_fails_it(
    spoil: Callable[[FrameWithAttributes], str], cds: CdsServer, frame: FrameWithAttributes
) -> None:
    assert frame.run(ERA5).success
    assert checked(frame).passed
    expected = spoil(frame)
    found = checked(frame)
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.ERROR
    (fault,) = found.metadata["faults"].value
    assert fault.startswith(expected)
    assert found.description == "materialize era5 again"
