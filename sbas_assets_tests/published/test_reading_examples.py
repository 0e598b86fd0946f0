"""The examples of docs/products.md, *Reading*, run as they are written, with the address of a frame that there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from .ceph_server import CephServer
from .conftest import DATES
from .published_frame import EPSG, SIGN, SIZE, PublishedFrame

pytest_plugins = [f"sbas_assets_tests.published.{name}" for name in ("ceph_fixtures", "frame_fixtures")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "products.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text().split("## Reading")[1], re.MULTILINE | re.DOTALL)
# The pixel at 36.45, 25.40 in the frame of the tests; a place on an edge belongs to either side.
ROW, COLUMN = (49, 50), (49, 50)


@pytest.fixture
def addresses(frame: PublishedFrame, request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What stands for the addresses of the page: the frame in its store, on the web, and a file in a work folder."""
    web = frame.url
    if frame.url.startswith("s3://"):
        ceph: CephServer = request.getfixturevalue("ceph")
        ceph.set_policy(frame.url.split("/")[2])
        web = frame.url.replace("s3://", f"{ceph.endpoint}/")
    work = tmp_path / "velocity.h5"
    work.write_bytes(frame.sources["velocity"].read_bytes())
    with h5py.File(work, "a") as file:
        file.attrs["SBAS_ASSETS_PROVENANCE"] = "{}"
    return {
        "s3://bucket/store/T071D_santorini": frame.url,
        "https://example.org/store/T071D_santorini": web,
        "/srv/sbas/work/T071D_santorini/velocity.h5": str(work),
    }


def test_the_examples_run_one_after_the_other_and_read_what_mintpy_computed(
    frame: PublishedFrame, addresses: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = frame.numbers("timeseries_demErr", "timeseries")
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        for written, meant in addresses.items():
            example = example.replace(written, meant)  # noqa: PLW2901 (each address in turn)
        exec(example, names)
        if "open_frame" in example:
            series = names["series"]
            row, column = (int(np.argmin(abs(names["frame"][axis].values - float(series[axis])))) for axis in "yx")
            np.testing.assert_array_equal(series, numbers[:, row, column])
            assert row in ROW
            assert column in COLUMN
    told = capsys.readouterr().out
    assert f"m {SIGN}" in told
    assert f"EPSG:{EPSG}" in told
    assert "('m/year',)" in told
    np.testing.assert_array_equal(names["data"].displacement, numbers)
    np.testing.assert_array_equal(names["dates"].displacement, numbers)
    np.testing.assert_array_equal(names["mask"], frame.numbers("maskTempCoh", "mask"))
    assert names["picture"].displacement.shape == (len(DATES), SIZE[0] // 2, SIZE[1] // 2)
    assert names["projected"].rio.crs.to_epsg() == 32635
    assert len(EXAMPLES) == 7


def test_the_page_names_no_pointer_of_before() -> None:
    assert "latest.json" not in PAGE.read_text().split("## Reading")[1]
