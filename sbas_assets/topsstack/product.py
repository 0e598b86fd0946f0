"""The IWn.xml of a Sentinel-1 swath, read without ISCE2.

Belongs here: the structure of an ISCE2 ProductManager dump of a `TOPSSwathSLCProduct` and its values. What is
computed from the values (heading, radius, MintPy's metadata) is in orbit.py and metadata.py.

ISCE2 writes the elements in alphabetical order (burst1, burst10, burst2, ...) and drops the fraction of a
time on a whole second; both have made readers pick the wrong last burst or fail on one date in a million
seconds.
"""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sbas_assets.errors import InputError
from sbas_assets.topsstack.xmlfiles import parse_xml

Vector = tuple[float, float, float]
ROOT = "productmanager_name"
KIND = "TOPSSwathSLCProduct"
MEND = "run topsStack's unpack step of this date again, with the same ISCE2 as the rest of the stack"


@dataclass(frozen=True)
class StateVector:
    """Position (m) and velocity (m/s) of the satellite in ECEF at a UTC time."""

    time: datetime
    position: Vector
    velocity: Vector


@dataclass(frozen=True)
class Burst:
    """One burst of a swath, as ISCE2's `BurstSLC`.

    Times are UTC without time zone. `sensing_*` are zero-Doppler azimuth times of the first and last line,
    `burst_*_utc` the raw sensing times (about 1 s apart). Ranges and pixel sizes in m, intervals in s, PRF
    in Hz.
    """

    number: int
    prf: float
    burst_start_utc: datetime
    burst_stop_utc: datetime
    sensing_start: datetime
    sensing_stop: datetime
    starting_range: float
    range_pixel_size: float
    azimuth_time_interval: float
    wavelength: float
    pass_direction: str
    polarization: str
    track_number: int
    orbit_number: int
    swath_number: int
    lines: int
    samples: int
    orbit_source: str | None
    state_vectors: tuple[StateVector, ...]

    @property
    def sensing_mid(self) -> datetime:
        """Middle of the zero-Doppler azimuth times (ISCE2 `BurstSLC.sensingMid`)."""
        return self.sensing_start + 0.5 * (self.sensing_stop - self.sensing_start)


@dataclass(frozen=True)
class SwathProduct:
    """One swath of an acquisition: `reference/IW1.xml` and its like.

    Parameters
    ----------
    path : Path
        The file that was read.
    bursts : tuple of Burst
        In flight order.
    ascending_node_time : datetime
        UTC of the ascending node before the acquisition.
    spacecraft_name : str or None
        "Sentinel-1" for every unit; absent from products of several slices.
    mission : str or None
        "S1A", "S1B", ...
    software_version : str or None
        Version of ESA's processor as written, e.g. "003.52".
    """

    path: Path
    bursts: tuple[Burst, ...]
    ascending_node_time: datetime
    spacecraft_name: str | None
    mission: str | None
    software_version: str | None

    @property
    def orbit_source(self) -> str | None:
        """Name of the EOF file, or "Annotation", of the first burst's orbit."""
        return self.bursts[0].orbit_source


def read_product(path: str | Path) -> SwathProduct:
    """Read a swath product.

    Parameters
    ----------
    path : path
        An IWn.xml of `reference/` or `secondarys/DATE/`.

    Returns
    -------
    SwathProduct

    Raises
    ------
    InputError
        `file-unreadable`, `product-truncated`, `product-of-another-kind`, or `product-attribute-missing`
        (names every attribute that is missing or has no readable value).
    """
    path = Path(path)
    root = parse_xml(path, code="product-truncated")
    instance = _instance(path, root)
    read = _Attributes(path)
    product = SwathProduct(
        path=path,
        bursts=_bursts(read, instance),
        ascending_node_time=read.time(instance, "ascendingnodetime"),
        spacecraft_name=read.optional(instance, "spacecraftname"),
        mission=read.optional(instance, "mission"),
        software_version=read.optional(instance, "processingsoftwareversion"),
    )
    read.refuse()
    return product


def _instance(path: Path, root: ET.Element) -> ET.Element:
    instance = root.find("component[@name='instance']")
    kind = root.tag if root.tag != ROOT or instance is None else instance.findtext("factoryname", "unnamed")
    if instance is None or kind != KIND:
        raise InputError(
            "product-of-another-kind",
            f"holds a {kind}, not a {KIND}",
            mend="point the metadata file pattern at topsStack's reference/IW*.xml",
            path=path,
        )
    return instance


def _bursts(read: _Attributes, instance: ET.Element) -> tuple[Burst, ...]:
    sequence = instance.find("component[@name='bursts']")
    nodes = _numbered(sequence, "burst")
    if not nodes:
        read.missing.append("bursts")
    return tuple(_burst(read, number, node) for number, node in nodes)


def _burst(read: _Attributes, number: int, node: ET.Element) -> Burst:
    where = f"burst{number}."
    orbit = node.find("component[@name='orbit']")
    return Burst(
        number=number,
        prf=read.number(node, "pulserepetitionfrequency", where),
        burst_start_utc=read.time(node, "burststartutc", where),
        burst_stop_utc=read.time(node, "burststoputc", where),
        sensing_start=read.time(node, "sensingstart", where),
        sensing_stop=read.time(node, "sensingstop", where),
        starting_range=read.number(node, "startingrange", where),
        range_pixel_size=read.number(node, "rangepixelsize", where),
        azimuth_time_interval=read.number(node, "azimuthtimeinterval", where),
        wavelength=read.number(node, "radarwavelength", where),
        pass_direction=read.text(node, "passdirection", where),
        polarization=read.text(node, "polarization", where),
        track_number=read.whole(node, "tracknumber", where),
        orbit_number=read.whole(node, "orbitnumber", where),
        swath_number=read.whole(node, "swathnumber", where),
        lines=read.whole(node, "numberoflines", where),
        samples=read.whole(node, "numberofsamples", where),
        orbit_source=None if orbit is None else read.optional(orbit, "orbit_source"),
        state_vectors=_state_vectors(read, orbit, where),
    )


def _state_vectors(read: _Attributes, orbit: ET.Element | None, where: str) -> tuple[StateVector, ...]:
    sequence = None if orbit is None else orbit.find("component[@name='state_vectors']")
    vectors = []
    for number, node in _numbered(sequence, "statevector"):
        here = f"{where}orbit.statevector{number}."
        time = read.time(node, "time", here)
        position, velocity = read.vector(node, "position", here), read.vector(node, "velocity", here)
        vectors.append(StateVector(time, position, velocity))
    if not vectors:
        read.missing.append(f"{where}orbit.state_vectors")
    return tuple(sorted(vectors, key=lambda vector: vector.time))


def _numbered(sequence: ET.Element | None, stem: str) -> list[tuple[int, ET.Element]]:
    """Return the members of a trait sequence by their number: the document has them in alphabetical order."""
    nodes = [] if sequence is None else sequence.findall("component")
    names = [(node.get("name", "").removeprefix(stem), node) for node in nodes]
    return sorted(((int(name), node) for name, node in names if name.isdigit()), key=lambda pair: pair[0])


def parse_time(text: str) -> datetime:
    """Parse an ISCE2 time, `YYYY-MM-DD HH:MM:SS` with or without a fraction, UTC."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f" if "." in text else "%Y-%m-%d %H:%M:%S")


def parse_vector(text: str) -> Vector:
    """Parse an ISCE2 vector, `[x, y, z]`."""
    x, y, z = (parse_number(str(value)) for value in json.loads(text))
    return x, y, z


def parse_number(text: str) -> float:
    """Parse a finite number."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


@dataclass
class _Attributes:
    """Reads attributes of one file and remembers all that are missing: one error names them all."""

    path: Path
    missing: list[str] = field(default_factory=list)

    def optional(self, node: ET.Element, name: str) -> str | None:
        text = node.findtext(f"property[@name='{name}']/value")
        return None if text is None or text.strip() in {"", "None"} else text.strip()

    def text(self, node: ET.Element, name: str, where: str = "") -> str:
        return self._value(node, name, where, str, "")

    def number(self, node: ET.Element, name: str, where: str = "") -> float:
        return self._value(node, name, where, parse_number, 0.0)

    def whole(self, node: ET.Element, name: str, where: str = "") -> int:
        return self._value(node, name, where, int, 0)

    def time(self, node: ET.Element, name: str, where: str = "") -> datetime:
        return self._value(node, name, where, parse_time, datetime.min)

    def vector(self, node: ET.Element, name: str, where: str = "") -> Vector:
        return self._value(node, name, where, parse_vector, (0.0, 0.0, 0.0))

    def _value[T](self, node: ET.Element, name: str, where: str, parse: Callable[[str], T], absent: T) -> T:
        text = self.optional(node, name)
        if text is None:
            self.missing.append(where + name)
            return absent
        try:
            return parse(text)
        except (ValueError, TypeError):
            self.missing.append(f"{where}{name} (unreadable value {text[:40]!r})")
            return absent

    def refuse(self) -> None:
        """Raise if anything was missing."""
        if self.missing:
            names = ", ".join(self.missing[:6]) + (", ..." if len(self.missing) > 6 else "")
            raise InputError("product-attribute-missing", f"lacks {names}", mend=MEND, path=self.path)
