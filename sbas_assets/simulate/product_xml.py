"""`IWn.xml`: the dump of ISCE2's TOPSSwathSLCProduct that topsStack's unpacking leaves for an acquisition.

Belongs here: bursts, state vectors and the polynomials beside them. Does not belong here: XML syntax (`isce_xml`) and
orbital mechanics (`orbit`). Polynomials and burst timing inside a burst are a real scene's; nothing downstream of the
interferograms reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from sbas_assets.simulate.config import SimulationConfig, as_date
from sbas_assets.simulate.geometry import LINE_INTERVAL, RANGE_SAMPLE, WAVELENGTH, line_seconds, near_range, shift_axes
from sbas_assets.simulate.isce_xml import Axis, Component, Property, image_properties, render
from sbas_assets.simulate.layout import Burst, Layout, Swath
from sbas_assets.simulate.orbit import Orbit, center_time, orbit_number, orbit_offset

NAME_DOC = "Instance name"
FAMILY_DOC = "Instance family name"
Children = list[Property | Component]

ORBIT_MARGIN = 60.0  # s of state vectors before the first and after the last line
VECTOR_INTERVAL = 10  # s


@dataclass(frozen=True)
class SwathConstants:
    """What differs between Sentinel-1's subswaths."""

    prf: float
    bandwidth: float
    azimuth_bandwidth: float
    azimuth_window: float
    steering_rate: float
    fm_rate: tuple[float, float, float]


CONSTANTS = {
    1: SwathConstants(
        1717.128973878037, 56500000.0, 327.0, 0.7, 0.027757171601738514,
        (-2328.414496453252, 450692.9987005178, -79088663.94732358),
    ),
    2: SwathConstants(
        1451.62711219399, 48300000.0, 313.0, 0.75, 0.017101841240789263,
        (-2196.318967043693, 401635.1312387232, -65399475.68908007),
    ),
    3: SwathConstants(
        1685.81734586, 42790000.0, 314.0, 0.7, 0.02441730, (-2091.35, 364400.0, -56700000.0),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Acquisition:
    """One date of the stack: its time, orbit and folder in the headers."""

    date: str
    folder: str
    config: SimulationConfig
    layout: Layout
    orbit: Orbit

    @property
    def center(self) -> datetime:
        """UTC of the merged grid's centre."""
        return center_time(self.orbit, self.date)

    def time_of(self, line: float) -> datetime:
        """UTC of a line of the merged full-resolution grid."""
        return self.center + timedelta(seconds=float(line_seconds(self.layout, line)))

    def state_vectors(self) -> list[tuple[datetime, NDArray[np.float64], NDArray[np.float64]]]:
        """Times, positions (m) and velocities (m/s) on whole seconds, as in precise orbit files."""
        first = self.time_of(0) - timedelta(seconds=ORBIT_MARGIN)
        last = self.time_of(self.layout.length) + timedelta(seconds=ORBIT_MARGIN)
        start = first.replace(microsecond=0)
        start += timedelta(seconds=(2 - start.second) % VECTOR_INTERVAL)
        n = int((last - start).total_seconds() // VECTOR_INTERVAL) + 1
        times = [start + timedelta(seconds=VECTOR_INTERVAL * i) for i in range(n)]
        position, velocity = self.orbit.state(np.array([(t - self.center).total_seconds() for t in times]))
        across, along = orbit_offset(self.config, self.date)
        perpendicular, parallel = shift_axes(self.orbit, self.config)
        position = position + across * perpendicular + along * parallel
        return list(zip(times, position, velocity, strict=True))

    @property
    def orbit_file(self) -> str:
        """Name of the precise orbit file that an acquisition of this date would have."""
        day = as_date(self.date)
        made, start, stop = (day + timedelta(days=d) for d in (20, -1, 1))
        return f"S1A_OPER_AUX_POEORB_OPOD_{made:%Y%m%d}T120818_V{start:%Y%m%d}T225942_{stop:%Y%m%d}T005942.EOF"


def swath_product(acquisition: Acquisition, swath: Swath) -> str:
    """Text of `IWn.xml`.

    Parameters
    ----------
    acquisition : Acquisition
        Date, orbit and placeholder folder.
    swath : Swath
        Tiling of the subswath.

    Returns
    -------
    str
        The document.
    """
    node_time = acquisition.center - timedelta(seconds=round(acquisition.orbit.seconds_since_node, 6))
    children: Children = [
        Property("ascendingnodetime", node_time, "Ascending node time corresponding to the acquisition"),
        _sequence(
            "bursts", "BurstSLC", "burst", "Trait sequence of burst SLCs",
            [_burst(acquisition, swath, burst) for burst in swath.bursts],
        ),
        Property("family", "topsswathslc", FAMILY_DOC),
        Property("imagingmode", "TOPS", "Imaging mode"),
        Property("mission", "S1A", "Mission name"),
        Property("name", "topsswathslc_name", NAME_DOC),
        Property("numberofbursts", len(swath.bursts), "Number of bursts in the product"),
        Property("processingfacility", "DLR-Oberpfaffenhofen, Germany", "Processing facility information"),
        Property("processingsoftwareversion", "003.20", "Processing system software version"),
        Property("processingsystem", "Sentinel-1 IPF", "Processing system information"),
        Property("spacecraftname", "Sentinel-1", "Name of the space craft"),
    ]  # fmt: skip
    instance = Component("instance", "isceobj.Sensor.TOPS.TOPSSwathSLCProduct", "TOPSSwathSLCProduct", children)
    return render(
        "productmanager_name",
        [
            Property("family", "productmanager", FAMILY_DOC),
            instance,
            Property("name", "productmanager_name", NAME_DOC),
        ],
    )


def _sequence(name: str, kind: str, word: str, doc: str, members: list[Component]) -> Component:
    """ISCE2's trait sequence: members named word1, word2, ..."""
    children: Children = [
        Property("_factorname", "default", "Factory Name used in the Trait Sequence"),
        Property("_factory", True, "Flag - Factory/Parameter"),
        Property("_mandatory", False, "Mandatory Field of the module used in Trait Sequence"),
        Property("_modulename", kind, "Module name used in Trait Sequence"),
        Property("_private", True, "Private Field of the module used in Trait Sequence"),
        Property("family", "TraitSeq", FAMILY_DOC),
        Property("name", [member.name for member in members], "Holds the sequence of names"),
        *members,
    ]
    return Component(name, "iscesys.Component", "createTraitSeq", children, args=f"('{word}',)", doc=doc)


def _polynomial(name: str, doc: str, args: str, coefficients: tuple[float, ...], mean: float) -> Component:
    children: Children = [
        Property("coeffs", list(coefficients)),
        Property("family", "poly1d", FAMILY_DOC),
        Property("length", 0, "Length of the image associated with the polynomial"),
        Property("mean", mean),
        Property("name", "poly1d_name", NAME_DOC),
        Property("norm", 149896229.0),
        Property("order", len(coefficients) - 1, "Polynomial order"),
        Property("width", 0, "Width of the image associated with the polynomial"),
    ]
    return Component(name, "isceobj.Util.PolyFactory", "createPoly", children, args=args, doc=doc)


def _burst(acquisition: Acquisition, swath: Swath, burst: Burst) -> Component:
    starting_range = near_range(acquisition.layout) + swath.first_sample * RANGE_SAMPLE
    slc = image_properties(
        f"{acquisition.folder}/IW{swath.number}/burst_{burst.number:02d}.slc",
        Axis(swath.n_samples),
        Axis(burst.n_lines),
        data_type="cfloat",
        family="slcimage",
        extra={
            "description": ("['Single look complex image.']", "Image description"),
            "image_type": ("slc", "Image type used for displaying."),
        },
    )
    constants = CONSTANTS[swath.number]
    children: Children = [
        _polynomial("azimuthfmrate", "Azimuth FM rate polynomial", "('1', 'd')", constants.fm_rate, starting_range),
        _polynomial("doppler", "Doppler polynomial", "('1d',)", (-8.181067, -30353.52, 17331050.0), starting_range),
        Component("image", "isceobj.Image", "createSlcImage", slc, doc="Image on disk"),
        _orbit(acquisition),
        *_burst_numbers(acquisition, swath, burst),
        *_burst_times(acquisition, burst),
        *_sensor_constants(constants),
        Property("startingrange", starting_range, "Slant range to first pixel in m"),
    ]
    return Component(f"burst{burst.number}", "isceobj.Sensor.TOPS.BurstSLC", "BurstSLC", children)


def _burst_numbers(acquisition: Acquisition, swath: Swath, burst: Burst) -> list[Property]:
    config = acquisition.config
    margin = burst.n_lines // 75
    orbit = orbit_number(config.track, acquisition.date)
    return [
        Property("burstnumber", burst.number, "Burst number for bookkeeping"),
        Property("family", "burstslc", FAMILY_DOC),
        Property("firstvalidline", margin, "First valid line in the burst SLC"),
        Property("firstvalidsample", 0, "First valid sample in the burst SLC"),
        Property("framenumber", 1, "Frame number for bookkeeping"),
        Property("name", "burstslc_name", NAME_DOC),
        Property("numberoflines", burst.n_lines, "Length of the burst slc"),
        Property("numberofsamples", swath.n_samples, "Width of the burst slc"),
        Property("numberofvalidlines", burst.n_lines - 2 * margin, "Number of valid lines in the burst SLC"),
        Property("numberofvalidsamples", swath.n_samples, "Number of valid samples in the burst SLC"),
        Property("orbitnumber", orbit, "Orbit number for bookkeeping"),
        Property("passdirection", config.pass_direction, "Ascending or descending"),
        Property("polarization", "VV", "Polarization"),
        Property("swathnumber", swath.number, "Swath number for bookkeeping"),
        Property("terrainheight", float(config.mean_height), "Average terrain height used for focusing"),
        Property("tracknumber", config.track, "Track number for bookkeeping"),
    ]


def _burst_times(acquisition: Acquisition, burst: Burst) -> list[Property]:
    """Zero-Doppler times of the lines, and the shorter raw sensing in the middle of a burst."""
    lines = {
        "sensingstart": (0.0, "UTC time corresponding to first line of burst SLC"),
        "sensingstop": (burst.n_lines - 1.0, "UTC time corresponding to last line of burst SLC"),
        "burststartutc": (0.37 * burst.n_lines, "Actual sensing time corresponding to start of the burst"),
        "burststoputc": (0.65 * burst.n_lines, "Actual sensing time corresponding to end of the burst"),
    }
    return [Property(name, acquisition.time_of(burst.first_line + line), doc) for name, (line, doc) in lines.items()]


def _sensor_constants(constants: SwathConstants) -> list[Property]:
    return [
        Property("azimuthprocessingbandwidth", constants.azimuth_bandwidth, "Azimuth processing bandwidth in Hz"),
        Property("azimuthsteeringrate", constants.steering_rate, "Azimuth steering rate in radians per sec"),
        Property("azimuthtimeinterval", LINE_INTERVAL, "Azimuth time interval between lines in seconds"),
        Property("azimuthwindowcoefficient", constants.azimuth_window, "Azimuth weight window coefficient"),
        Property("azimuthwindowtype", "Hamming", "Azimuth weight window type"),
        Property("pulserepetitionfrequency", constants.prf, "Pulse repetition frequency in Hz"),
        Property("radarwavelength", WAVELENGTH, "Radar wavelength in m"),
        Property("rangepixelsize", RANGE_SAMPLE, "Slant range pixel size in m"),
        Property("rangeprocessingbandwidth", constants.bandwidth, "Range processing bandwidth in Hz"),
        Property("rangewindowcoefficient", 0.75, "Range weight window coefficient"),
        Property("rangewindowtype", "Hamming", "Range weight window type"),
    ]


def _orbit(acquisition: Acquisition) -> Component:
    vectors = acquisition.state_vectors()
    members = [
        Component(
            f"statevector{i + 1}",
            "isceobj.Orbit.Orbit",
            "StateVector",
            [
                Property("family", "_family", FAMILY_DOC),
                Property("name", "_family_name", NAME_DOC),
                Property("position", np.round(position, 6).tolist()),
                Property("time", time),
                Property("velocity", np.round(velocity, 6).tolist()),
            ],
        )
        for i, (time, position, velocity) in enumerate(vectors)
    ]
    children: Children = [
        Property("family", "orbit", FAMILY_DOC),
        Property("max_time", vectors[-1][0]),
        Property("min_time", vectors[0][0]),
        Property("name", "orbit_name", NAME_DOC),
        Property("orbit_source", acquisition.orbit_file, "Orbit source"),
        _sequence("state_vectors", "StateVector", "statevector", "Testing Trait Sequence", members),
    ]
    return Component("orbit", "isceobj.Orbit.Orbit", "createOrbit", children, doc="Orbit information")
