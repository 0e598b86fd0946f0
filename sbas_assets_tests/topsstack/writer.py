"""A tiny topsStack tree, written by hand: the smallest one that passes the preflight, for faults to be planted in.

Three dates, three pairs, two swaths, 12 x 10 pixels; the XML has the elements that ISCE2 writes and a reader needs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

DATES = ("20200511", "20200523", "20200604")
PAIRS = ("20200511_20200523", "20200511_20200604", "20200523_20200604")
SHAPE = (12, 10)
NAMES = {"f4": "FLOAT", "f8": "DOUBLE", "u1": "BYTE", "c8": "CFLOAT"}
SPEED = 7500.0
RADIUS = 7071000.0


def tag(name: str, value: object) -> str:
    return f'<property name="{name}"><value>{value}</value></property>\n'


def header_xml(shape: tuple[int, int], dtype: str, bands: int, scheme: str, file_name: str) -> str:
    values = {
        "ISCE_VERSION": "Release: 2.6.5, svn-, 20260630. Current: svn-.",
        "byte_order": "l",
        "data_type": NAMES[dtype],
        "file_name": file_name,
        "length": shape[0],
        "number_bands": bands,
        "scheme": scheme,
        "width": shape[1],
    }
    return "<imageFile>\n" + "".join(tag(*item) for item in values.items()) + "</imageFile>\n"


def write_raster(path: Path, bands: list[np.ndarray], scheme: str = "BIL", origin: str = "/elsewhere") -> None:
    """Write an image as ISCE2 does; `origin` is the folder that the header says it was made in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.stack(bands)
    data = {"BIL": data.transpose(1, 0, 2), "BSQ": data, "BIP": data.transpose(1, 2, 0)}[scheme]
    np.ascontiguousarray(data).tofile(path)
    dtype = data.dtype.str[1:]
    text = header_xml(bands[0].shape, dtype, len(bands), scheme, f"{origin}/{path.name}")
    path.with_name(f"{path.name}.xml").write_text(text)


def state_vectors(start: datetime) -> str:
    """Write a circular polar orbit, 10 s apart, a minute to both sides."""
    nodes = []
    for number in range(1, 14):
        seconds = 10.0 * number - 70.0
        angle = SPEED / RADIUS * seconds + 0.65
        position = [RADIUS * np.cos(angle), 0.0, RADIUS * np.sin(angle)]
        velocity = [-SPEED * np.sin(angle), 0.0, SPEED * np.cos(angle)]
        time = start + timedelta(seconds=seconds)
        values = [tag("position", [float(x) for x in position]), tag("time", time)]
        values.append(tag("velocity", [float(v) for v in velocity]))
        nodes.append((f"statevector{number}", "".join(values)))
    return "".join(f'<component name="{n}">{body}</component>\n' for n, body in sorted(nodes))


def burst_xml(swath: int, number: int, start: datetime) -> str:
    begin = start + timedelta(seconds=2.75 * (number - 1))
    values = {
        "azimuthtimeinterval": 0.0020555562999999,
        "burststartutc": begin + timedelta(seconds=1.1),
        "burststoputc": begin + timedelta(seconds=2.0),
        "numberoflines": 1497,
        "numberofsamples": 21444,
        "orbitnumber": 32518,
        "passdirection": "DESCENDING",
        "polarization": "VV",
        "pulserepetitionfrequency": 1717.128973878037,
        "radarwavelength": 0.05546576,
        "rangepixelsize": 2.329562114715323,
        "sensingstart": begin,
        "sensingstop": begin + timedelta(seconds=3.075),
        "startingrange": 799611.1154763321 + 46000.0 * (swath - 1),
        "swathnumber": swath,
        "tracknumber": 71,
    }
    orbit = tag("orbit_source", "S1A_OPER_AUX_POEORB_OPOD_20200531T120818_V20200510T225942_20200512T005942.EOF")
    orbit += f'<component name="state_vectors">\n{state_vectors(begin)}</component>\n'
    body = "".join(tag(*item) for item in values.items())
    return f'<component name="burst{number}">\n{body}<component name="orbit">\n{orbit}</component>\n</component>\n'


def product_xml(swath: int, start: datetime, bursts: int = 11) -> str:
    """Write a swath product; the bursts are in the document's order, burst1, burst10, burst11, burst2, ..."""
    nodes = sorted((f"burst{n}", burst_xml(swath, n, start)) for n in range(1, bursts + 1))
    body = tag("ascendingnodetime", start - timedelta(seconds=2334))
    body += '<component name="bursts">\n' + "".join(node for _, node in nodes) + "</component>\n"
    body += tag("mission", "S1A") + tag("processingsoftwareversion", "003.20") + tag("spacecraftname", "Sentinel-1")
    kind = "<factoryname>TOPSSwathSLCProduct</factoryname>\n"
    return f'<productmanager_name>\n<component name="instance">\n{kind}{body}</component>\n</productmanager_name>\n'


def write_baseline(stack: Path, reference: str, date: str, value: float, swaths: int = 2) -> Path:
    path = stack / "baselines" / f"{reference}_{date}" / f"{reference}_{date}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = (f"swath: IW{n}\nBperp (average): {value + n}\nBpar (average): 1.0\n" for n in range(1, swaths + 1))
    path.write_text("".join(blocks))
    return path


def write_pair(stack: Path, name: str, shape: tuple[int, int] = SHAPE, seed: int = 1) -> Path:
    folder = stack / "merged" / "interferograms" / name
    random = np.random.default_rng(seed)
    phase = random.normal(size=shape).astype("f4")
    origin = f"/data/elsewhere/merged/interferograms/{name}"
    write_raster(folder / "filt_fine.unw", [np.ones(shape, "f4"), phase], origin=origin)
    write_raster(folder / "filt_fine.cor", [random.uniform(0.1, 1.0, shape).astype("f4")], "BIP", origin)
    write_raster(folder / "filt_fine.unw.conncomp", [np.ones(shape, "u1")], "BIP", origin)
    return folder


def write_geometry(stack: Path, shape: tuple[int, int] = SHAPE) -> Path:
    folder = stack / "merged" / "geom_reference"
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype("f8")
    images = {"hgt": 100 + rows, "lat": 38 - 0.001 * rows, "lon": -116 + 0.001 * columns}
    for name, values in images.items():
        write_raster(folder / f"{name}.rdr", [values])
    los = [np.full(shape, 38.0, "f4"), np.full(shape, -100.4, "f4")]
    write_raster(folder / "los.rdr", los, "BSQ")
    write_raster(folder / "shadowMask.rdr", [np.zeros(shape, "u1")])
    full = header_xml((shape[0] * 3 + 1, shape[1] * 9 + 4), "f8", 1, "BIL", "/elsewhere/hgt.rdr.full")
    (folder / "hgt.rdr.full.xml").write_text(full)
    return folder


def write_stack(stack: Path) -> Path:
    """Write the whole tree."""
    for swath in (1, 2):
        path = stack / "reference" / f"IW{swath}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        # IW2 begins on a whole second: its first time has no fraction in the text.
        start = datetime(2020, 5, 11, 13, 51, 20) + timedelta(seconds=2.5 if swath == 1 else 3)
        path.write_text(product_xml(swath, start))
    for date in DATES[1:]:
        write_baseline(stack, DATES[0], date, 20.0)
    for seed, name in enumerate(PAIRS):
        write_pair(stack, name, seed=seed)
    write_geometry(stack)
    return stack
