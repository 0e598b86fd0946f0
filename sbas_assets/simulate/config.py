"""What a synthetic topsStack tree looks like: its grid, its dates and the sizes of everything that moves or disturbs.

Belongs here: the parameters, their units and bounds, and the two ready-made sizes. Does not belong here: how a
parameter is turned into numbers (`scene`, `signals`) or files (`tree`).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Acquisition = Annotated[str, Field(pattern=r"^\d{8}$")]
PresetName = Literal["small", "medium"]

DAYS_PER_CYCLE = 12
ORBITS_PER_CYCLE = 175


def as_date(acquisition: str) -> date:
    """Calendar date of a `YYYYMMDD` acquisition."""
    return date.fromisoformat(f"{acquisition[:4]}-{acquisition[4:6]}-{acquisition[6:]}")


def regular_dates(start: str, n_dates: int, interval_days: int = DAYS_PER_CYCLE) -> tuple[str, ...]:
    """Equally spaced acquisitions.

    Parameters
    ----------
    start : str
        First acquisition, `YYYYMMDD`.
    n_dates : int
        Number of acquisitions.
    interval_days : int
        Days between two acquisitions (12 is Sentinel-1's repeat cycle).

    Returns
    -------
    tuple of str
        Acquisitions, ascending.
    """
    days = (as_date(start) + timedelta(days=interval_days * i) for i in range(n_dates))
    return tuple(f"{day:%Y%m%d}" for day in days)


class SimulationConfig(BaseModel):
    """Everything that decides the bytes of a synthetic stack.

    Two configurations that differ only in `dates` agree byte for byte in every pair, acquisition and geometry file
    that they share, as long as `reference_date` is the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    length: int = Field(100, ge=40, le=20000, description="Rows of the merged, multilooked grid (pixels).")
    width: int = Field(120, ge=40, le=20000, description="Columns of the merged, multilooked grid (pixels).")
    azimuth_looks: int = Field(5, ge=1, le=100, description="Looks in azimuth (lines per pixel).")
    range_looks: int = Field(20, ge=1, le=200, description="Looks in range (samples per pixel).")
    n_swaths: int = Field(2, ge=1, le=3, description="Subswaths, IW1 upwards (count).")
    bursts_per_swath: int | None = Field(
        None, ge=2, le=30, description="Bursts of each subswath (count); unset: as many as Sentinel-1 would need."
    )

    dates: tuple[Acquisition, ...] = Field(
        regular_dates("20200511", 14), min_length=3, description="Acquisitions (YYYYMMDD), ascending."
    )
    reference_date: Acquisition | None = Field(
        None, description="Reference acquisition of the coregistration (YYYYMMDD); unset: the first."
    )
    connections: int = Field(3, ge=1, le=20, description="Pairs from each acquisition to its successors (count).")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of every random number (no unit).")

    center_lat: float = Field(38.2, ge=-70, le=70, description="Latitude of the scene's centre (degrees).")
    center_lon: float = Field(-116.4, ge=-180, le=180, description="Longitude of the scene's centre (degrees).")
    pass_direction: Literal["ASCENDING", "DESCENDING"] = Field("DESCENDING", description="Direction of the orbit.")
    track: int = Field(71, ge=1, le=ORBITS_PER_CYCLE, description="Relative orbit (number).")

    mean_height: float = Field(1200, ge=0, le=5000, description="Mean terrain height above the ellipsoid (m).")
    relief: float = Field(250, ge=0, le=2000, description="Standard deviation of the terrain height (m).")
    peak_velocity: float = Field(
        -0.08, ge=-2, le=2, description="LOS velocity in the centre of the bowl (m/year, negative is away)."
    )
    bowl_radius: float = Field(
        900, gt=0, le=50000, description="Ground distance at which the bowl's velocity has fallen to 61 % (m)."
    )
    seasonal_amplitude: float = Field(
        0.004, ge=0, le=0.5, description="Largest amplitude of the yearly LOS displacement (m)."
    )
    dem_error_sigma: float = Field(8, ge=0, le=100, description="Standard deviation of the DEM error (m).")
    baseline_sigma: float = Field(
        50, ge=0, le=500, description="Standard deviation of an orbit's perpendicular offset from the nominal one (m)."
    )

    turbulence_sigma: float = Field(
        0.0015, ge=0, le=0.1, description="Standard deviation of one acquisition's turbulent delay (m, LOS)."
    )
    stratified_sigma: float = Field(
        0.01, ge=0, le=0.2, description="Standard deviation of the delay's slope with height (m LOS per km)."
    )
    decorrelation: float = Field(
        0.15,
        ge=0,
        le=1,
        description="Share of the coherence that is lost with time (0: none, and no phase noise; 1: all).",
    )

    river: bool = Field(True, description="Whether water without coherence splits the scene in two banks.")
    unwrap_jump_probability: float = Field(
        0.15, ge=0, le=1, description="Probability that a pair's second bank is off by whole cycles (0 to 1)."
    )
    shadow: bool = Field(True, description="Whether a slope lies in radar shadow.")
    nodata_edge: int = Field(
        2, ge=0, le=10, description="Border of pixels without phase inside the valid geometry (pixels)."
    )
    water_mask: bool = Field(False, description="Whether to write waterMask.rdr (1 land, 0 water).")
    conncomp: bool = Field(True, description="Whether to write the connected components of the unwrapping.")

    @model_validator(mode="after")
    def _dates_make_a_stack(self) -> Self:
        for acquisition in self.dates:
            as_date(acquisition)
        if list(self.dates) != sorted(set(self.dates)):
            raise ValueError("dates must be ascending and distinct")
        if self.reference_date is not None and self.reference_date not in self.dates:
            raise ValueError("reference_date must be one of dates")
        if self.unwrap_jump_probability > 0 and not self.river:
            raise ValueError("unwrapping jumps need a river to jump across: set unwrap_jump_probability=0")
        return self

    @classmethod
    def preset(cls, name: PresetName, **overrides: Any) -> Self:
        """Ready-made configuration.

        Parameters
        ----------
        name : {"small", "medium"}
            `small`: 100 x 120 pixels, 14 dates 24 days apart, 36 pairs. `medium`: 300 x 400 pixels, 30 dates
            12 days apart, 84 pairs.
        **overrides
            Fields that shall differ.

        Returns
        -------
        SimulationConfig
            The configuration.
        """
        presets: dict[PresetName, dict[str, Any]] = {
            "small": {"dates": regular_dates("20200511", 14, 24)},
            "medium": {
                "length": 300,
                "width": 400,
                "dates": regular_dates("20200511", 30, 12),
                "bowl_radius": 2500,
                "turbulence_sigma": 0.002,
            },
        }
        return cls(**{**presets[name], **overrides})

    @property
    def reference(self) -> str:
        """Reference acquisition, `YYYYMMDD`."""
        return self.reference_date or self.dates[0]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Sequential network: each acquisition with its next `connections` successors."""
        n = len(self.dates)
        return tuple(
            (self.dates[i], self.dates[j]) for i in range(n) for j in range(i + 1, min(i + 1 + self.connections, n))
        )
