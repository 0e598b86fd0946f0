"""Writes the files of a topsStack folder: what `simulate_stack` promises.

Belongs here: names, formats and headers of the files. Does not belong here: the numbers in them (`scene`, `signals`,
`geometry`). No header holds the output folder's path or the time of writing, so equal configurations give equal bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sbas_assets.simulate.config import SimulationConfig
from sbas_assets.simulate.geometry import RANGE_SAMPLE, Geometry, baseline_projection, make_geometry, near_range
from sbas_assets.simulate.layout import Layout, make_layout, valid_pixels
from sbas_assets.simulate.orbit import orbit_number, orbit_offset
from sbas_assets.simulate.product_xml import Acquisition, swath_product
from sbas_assets.simulate.rasters import PLACEHOLDER, write_geometry, write_interferogram
from sbas_assets.simulate.scene import make_scene
from sbas_assets.simulate.signals import PairSimulator
from sbas_assets.simulate.truth import Truth, make_truth, save_truth


def simulate_stack(config: SimulationConfig, stack_dir: str | Path) -> Truth:
    """Write a synthetic topsStack folder whose content is known.

    Parameters
    ----------
    config : SimulationConfig
        What to simulate. Equal configurations give equal bytes, wherever the folder is.
    stack_dir : path
        Folder to write; made if missing. Files of an earlier simulation are overwritten: with the same configuration
        and more dates the earlier pairs come out as they were.

    Returns
    -------
    Truth
        Also written to `stack_dir/truth.h5`.
    """
    stack = Path(stack_dir)
    layout = make_layout(config)
    scene = make_scene(config)
    geometry = make_geometry(config, layout, scene.height)
    valid = valid_pixels(layout, config)
    _write_products(config, layout, geometry, stack)
    _write_baselines(config, layout, geometry, stack)
    write_geometry(config, layout, scene, geometry, valid=valid, folder=stack / "merged" / "geom_reference")
    simulator = PairSimulator(config, scene, geometry, valid)
    for first, second in config.pairs:
        folder = stack / "merged" / "interferograms" / f"{first}_{second}"
        write_interferogram(simulator.simulate(first, second), folder, conncomp=config.conncomp)
    truth = make_truth(config, scene, geometry, simulator.observed)
    save_truth(truth, config, stack)
    return truth


def _write_products(config: SimulationConfig, layout: Layout, geometry: Geometry, stack: Path) -> None:
    """Write `reference/IWn.xml`, `secondarys/DATE/IWn.xml` and `SAFE_files.txt`."""
    safes = []
    for date in config.dates:
        part = "reference" if date == config.reference else f"secondarys/{date}"
        acquisition = Acquisition(date, f"{PLACEHOLDER}/{part}", config, layout, geometry.orbit)
        (stack / part).mkdir(parents=True, exist_ok=True)
        for swath in layout.swaths:
            (stack / part / f"IW{swath.number}.xml").write_text(swath_product(acquisition, swath))
        safes.append(_safe_name(acquisition))
    (stack / "SAFE_files.txt").write_text("".join(f"{name}\n" for name in safes))


def _safe_name(acquisition: Acquisition) -> str:
    start, stop = (acquisition.time_of(line) for line in (0, acquisition.layout.length))
    number = orbit_number(acquisition.config.track, acquisition.date)
    times = f"{start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}"
    return f"{PLACEHOLDER}/SLC/S1A_IW_SLC__1SDV_{times}_{number:06d}_03C421_7768.SAFE"


def _write_baselines(config: SimulationConfig, layout: Layout, geometry: Geometry, stack: Path) -> None:
    """Write `baselines/REF_SEC/REF_SEC.txt`, Bperp and Bpar at the middle range of each subswath."""
    samples = np.array([swath.first_sample + swath.n_samples / 2 for swath in layout.swaths])
    perpendicular, parallel = baseline_projection(geometry, config, near_range(layout) + RANGE_SAMPLE * samples)
    reference = orbit_offset(config, config.reference)
    for date in config.dates:
        if date == config.reference:
            continue
        offset = np.subtract(orbit_offset(config, date), reference)
        name = f"{config.reference}_{date}"
        (stack / "baselines" / name).mkdir(parents=True, exist_ok=True)
        (stack / "baselines" / name / f"{name}.txt").write_text(
            _baseline_text(layout, perpendicular @ offset, parallel @ offset)
        )


def _baseline_text(layout: Layout, bperp: NDArray[np.float64], bpar: NDArray[np.float64]) -> str:
    return "".join(
        f"swath: IW{swath.number}\nBperp (average): {float(across)}\nBpar (average): {float(along)}\n"
        for swath, across, along in zip(layout.swaths, bperp, bpar, strict=True)
    )
