"""Mistakes with the account are told before any waiting, each under its code; doctor finds them too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sbas_assets.commands.examinations import weather_service
from sbas_assets_tests.mintpy.weather_files import FrameWithAttributes
from sbas_assets_tests.weather.cds_server import CdsServer
from sbas_assets_tests.weather.era5_at_work import ERA5, weather_folder

Plant = Callable[[CdsServer, pytest.MonkeyPatch, Path], None]


def no_credentials(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.delenv("CDSAPI_KEY")


def empty_key(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    rc_file(folder, patch, f"url: {cds.url}\nkey:\n")


def key_of_2023(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CDSAPI_KEY", f"12345:{cds.key}")


def url_of_2023(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    rc_file(folder, patch, f"url: {cds.url}/v2\nkey: {cds.key}\n")


def wrong_key(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CDSAPI_KEY", "00000000-0000-0000-0000-000000000000")


def wrong_path(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CDSAPI_URL", f"{cds.root}/elsewhere")


def no_scheme(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CDSAPI_URL", "cds.climate.copernicus.eu/api")


def unknown_host(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CDSAPI_URL", "https://cds.invalid/api")


def nobody_there(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CDSAPI_URL", "http://127.0.0.1:9/api")


def not_the_service(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CDSAPI_URL", cds.url.replace("http", "https"))


def no_licence(cds: CdsServer, patch: pytest.MonkeyPatch, folder: Path) -> None:
    cds.licence_accepted = False


def rc_file(folder: Path, patch: pytest.MonkeyPatch, text: str) -> None:
    file = folder / "cdsapirc"
    file.write_text(text)
    for name in ("CDSAPI_URL", "CDSAPI_KEY"):
        patch.delenv(name)
    patch.setenv("CDSAPI_RC", str(file))


MISTAKES: dict[Plant, tuple[str, str]] = {
    no_credentials: ("cds-credentials-missing", "CDSAPI_KEY"),
    empty_key: ("cds-credentials-missing", "cdsapirc"),
    key_of_2023: ("cds-credentials-outdated", "how-to-api"),
    url_of_2023: ("cds-credentials-outdated", "how-to-api"),
    wrong_key: ("cds-key-refused", "copy the key"),
    wrong_path: ("cds-url-wrong", "correct url"),
    no_scheme: ("cds-url-wrong", "correct url"),
    unknown_host: ("cds-unreachable", "try again later"),
    nobody_there: ("cds-unreachable", "try again later"),
    not_the_service: ("cds-certificate-refused", "certificates"),
    no_licence: ("cds-licence-missing", "accept the licences at https://cds.climate.copernicus.eu/datasets/"),
}


@pytest.mark.parametrize("plant", MISTAKES, ids=lambda plant: plant.__name__)
def test_a_mistake_is_told_at_once_with_its_code_and_mend(
    plant: Plant, cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, mend = MISTAKES[plant]
    # what may pass is tried again by Dagster, which this test does not wait for
    monkeypatch.setattr("sbas_assets.resources.MAX_RETRIES", 0)
    plant(cds, monkeypatch, tmp_path)
    result = frame.run(ERA5)
    error = result.errors["era5"]
    assert f"[{code}] frame {frame.key}: {weather_folder(frame)}: 5 of 5 ERA5 files are missing" in error, error
    assert mend in error
    assert os.environ.get("CDSAPI_KEY", "no key") not in error
    assert cds.submissions == []


@pytest.mark.parametrize("plant", MISTAKES, ids=lambda plant: plant.__name__)
def test_doctor_finds_the_same_mistake(
    plant: Plant, cds: CdsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, mend = MISTAKES[plant]
    plant(cds, monkeypatch, tmp_path)
    found = weather_service()
    assert (found.status, found.detail.startswith(f"[{code}]")) == ("warning", True), found
    assert mend in str(found.mend)


def test_doctor_says_that_an_account_works(cds: CdsServer) -> None:
    found = weather_service()
    assert (found.status, found.mend) == ("ok", None)
    assert cds.url in found.detail
    assert cds.key not in found.detail


def test_credentials_are_read_from_the_clients_own_file(
    cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rc_file(tmp_path, monkeypatch, f"url: {cds.url}\nkey: {cds.key}\n")
    assert frame.run(ERA5).success


def test_a_service_that_goes_away_meanwhile_is_told_and_what_came_stays(
    cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sbas_assets.resources.MAX_RETRIES", 0)
    monkeypatch.setenv("SBAS_CDS_PATIENCE", "2")
    cds.polls_before_done = 10_000
    cds.fail_next("503", times=2, on="GET /api/retrieve/v1/jobs")
    error = frame.run(ERA5).errors["era5"]
    assert "[cds-busy]" in error
    assert "(HTTP 503)" in error
    cds.polls_before_done = 0
    assert frame.run(ERA5).success
    assert set(cds.dates_submitted.values()) == {1}, "the request of the first run was taken up"


@pytest.mark.parametrize("method", ["height_correlation", "gacos", "opera", "no"])
def test_other_methods_need_no_era5_and_none_is_asked_for(
    method: str, cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame.configure({**frame.options, "mintpy.troposphericDelay.method": method})
    result = frame.run(ERA5)
    assert result.outcome == {"era5": "passed-through"}
    assert result.checks == {("era5", "era5_complete"): True}
    assert cds.calls.total() == 0
    assert not weather_folder(frame).exists()
