"""The single examinations of `sbas-assets doctor`; each looks at one thing and never raises."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import uuid
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from sbas_assets.errors import SbasError
from sbas_assets.workspace import Settings

BASICS = {"Python", "packages", "MintPy", "SBAS_ROOT", "SBAS_STORE", "DAGSTER_HOME", "SBAS_THREADS"}
PACKAGES = ("dagster", "mintpy", "zarr", "xarray", "h5py", "numpy")
OLDEST_PYTHON = (3, 12)
LEAST_FREE_GB = 10
LEAST_MEMORY_GB = 4  # MintPy's own default of mintpy.compute.maxMemory
# a store that does not answer is told within twice as many seconds, not after a minute
STORE_PATIENCE_S = 4

Status = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class Finding:
    """What one examination found.

    Parameters
    ----------
    name : str
        What was looked at.
    status : str
        "failure" of one of `BASICS` means that no frame can be processed.
    detail : str
        What was found.
    mend : str or None
        What to do about it.
    """

    name: str
    status: Status
    detail: str
    mend: str | None = None


def python() -> Finding:
    """Version and system; MintPy runs in threads with a working directory of their own, which needs Linux."""
    detail = f"{platform.python_version()} on {platform.system()}, {sys.executable}"
    if sys.version_info < OLDEST_PYTHON or not hasattr(os, "unshare"):
        return Finding("Python", "failure", detail, "use Python 3.12 or newer on Linux")
    return Finding("Python", "ok", detail)


def packages() -> Finding:
    """Versions of what this package stands on."""
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "failure", f"missing: {', '.join(missing)}", "install sbas-assets again")
    return Finding("packages", "ok", ", ".join(found))


def mintpy() -> Finding:
    """Whether MintPy can be imported, and what its default template says."""
    try:
        import mintpy.utils.readfile  # noqa: F401

        from sbas_assets.mintpy.template import known_options

        options = len(known_options())
    except Exception as error:
        mend = "install MintPy again, with its dependencies"
        return Finding("MintPy", "failure", f"cannot be used: {type(error).__name__}: {error}", mend)
    return Finding("MintPy", "ok", f"{version('mintpy')}, {options} options in its default template")


def isce2() -> Finding:
    """Whether ISCE2 is there; looked for, never imported."""
    script = shutil.which("stackSentinel.py")
    if find_spec("isce") is None and script is None:
        mend = "nothing, if stacks come from elsewhere; else activate the environment with ISCE2 and its topsStack"
        return Finding("ISCE2", "warning", "not found: stacks can be processed here, not made", mend)
    return Finding("ISCE2", "ok", f"found{f', {script}' if script else ', without stackSentinel.py on PATH'}")


def weather_service() -> Finding:
    """Whether ERA5 files can be fetched: credentials, the service, the key, the licence."""
    from sbas_assets.weather.credentials import credentials_file
    from sbas_assets.weather.faults import licence_missing
    from sbas_assets.weather.service import Patience, Service

    try:
        service = Service(Patience(0, lambda _: None))
        if not service.may_fetch_era5():
            raise licence_missing()
    except SbasError as error:
        mend = f"{error.mend}; or process without ERA5"
        return Finding("CDS", "warning", f"[{error.code}] {error.message}", mend)
    source = "CDSAPI_KEY" if os.environ.get("CDSAPI_KEY") else credentials_file()
    return Finding("CDS", "ok", f"{service.url} knows the key of {source}, and its licence is accepted")


def gdal() -> Finding:
    """GDAL's Python module, which some of MintPy's programs want."""
    if find_spec("osgeo") is None:
        return Finding("GDAL", "warning", "not found", "only MintPy's save_gdal.py and the like need it")
    return Finding("GDAL", "ok", "found")


def root(settings: Settings) -> Finding:
    """Whether the root can be written, and how much room there is."""
    place = _existing(settings.root)
    reason = _why_not_writable(place)
    if reason is not None:
        return Finding("SBAS_ROOT", "failure", f"{settings.root}: {reason}", "set SBAS_ROOT to a folder of yours")
    free = shutil.disk_usage(place).free / 1e9
    detail = f"{settings.root}, {free:.0f} GB free{'' if place == settings.root else ' (made at first use)'}"
    if free < LEAST_FREE_GB:
        return Finding("SBAS_ROOT", "warning", detail, "free space: a frame takes several times the size of its stack")
    return Finding("SBAS_ROOT", "ok", detail)


def locks(settings: Settings) -> Finding:
    """Whether the root's file system keeps locks apart."""
    try:
        with tempfile.TemporaryDirectory(dir=_existing(settings.root), prefix=".doctor-") as folder:
            path = Path(folder) / "lock"
            with FileLock(path):
                FileLock(path).acquire(timeout=0)
    except Timeout:
        return Finding("locks", "ok", "one holder at a time")
    except (OSError, NotImplementedError) as error:
        return Finding("locks", "warning", f"cannot be tried: {error}", "use a file system that supports flock")
    return Finding("locks", "warning", "two holders at a time", "start no two runs of a frame, or use another disk")


def store(settings: Settings) -> Finding:
    """Whether an object can be written to the store, read and deleted."""
    from sbas_assets.published.deadlines import Deadlines
    from sbas_assets.published.store import open_store, store_faults

    url = settings.store
    try:
        with store_faults(url):
            place = open_store(url, deadlines=Deadlines.from_env().at_most(STORE_PATIENCE_S))
            if place.is_local and not Path(place.root).exists():
                reason = _why_not_writable(_existing(Path(place.root)))
                mend = "set SBAS_STORE to a folder of yours"
                return (
                    Finding("SBAS_STORE", "failure", f"{url}: {reason}", mend)
                    if reason
                    else Finding("SBAS_STORE", "ok", f"{url} (made at first use)")
                )
            name = place.path(f".doctor-{uuid.uuid4().hex}")
            place.put(name, b"sbas_assets")
            intact = place.read(name) == b"sbas_assets"
            place.delete([name])
    except SbasError as error:
        return Finding("SBAS_STORE", "failure", f"[{error.code}] {error.message}", error.mend)
    except Exception as error:
        return Finding("SBAS_STORE", "failure", f"{url}: {type(error).__name__}: {error}", "correct SBAS_STORE")
    if not intact:
        return Finding("SBAS_STORE", "failure", f"{url} gave back other bytes", "use another store")
    return Finding("SBAS_STORE", "ok", f"{url}: written, read and deleted an object")


def dagster_home(settings: Settings) -> Finding:
    """Whether the Dagster instance can be opened."""
    from sbas_assets.commands.home import dagster_instance

    home = settings.dagster_home
    if not home.exists() and _why_not_writable(_existing(home)) is None:
        return Finding("DAGSTER_HOME", "ok", f"{home} (made at first use)")
    try:
        with dagster_instance(settings) as instance:
            runs = instance.get_runs_count()
    except SbasError as error:
        return Finding("DAGSTER_HOME", "failure", f"{home}: {error.message}", error.mend)
    except Exception as error:
        mend = "correct dagster.yaml there, or give DAGSTER_HOME another folder"
        return Finding("DAGSTER_HOME", "failure", f"{home}: {type(error).__name__}: {error}", mend)
    return Finding("DAGSTER_HOME", "ok", f"{home}, {runs} runs")


def frames(settings: Settings) -> Finding:
    """How many frames there are, and which of them are broken."""
    from sbas_assets.frames import FrameCatalogue

    try:
        found = FrameCatalogue(settings.root).items()
    except OSError as error:
        return Finding("frames", "warning", f"cannot be listed: {error}", "make the folder readable")
    broken = [key for key, config in found if isinstance(config, SbasError)]
    if broken:
        mend = "see `sbas-assets frames list`"
        return Finding("frames", "warning", f"{len(found)}, broken: {', '.join(broken)}", mend)
    return Finding("frames", "ok", f"{len(found)}")


def machine() -> Finding:
    """Memory and cores that this process may use."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    detail = f"{memory:.0f} GB of memory, {len(os.sched_getaffinity(0))} cores"
    if memory < LEAST_MEMORY_GB:
        return Finding("machine", "warning", detail, "lower mintpy.compute.maxMemory (GB) of each frame")
    return Finding("machine", "ok", detail)


def threads() -> Finding:
    """How many threads a run computes with."""
    from sbas_assets.threads import thread_count

    try:
        return Finding("SBAS_THREADS", "ok", f"a run computes with {thread_count()} threads")
    except SbasError as error:
        return Finding("SBAS_THREADS", "failure", error.message, error.mend)


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _why_not_writable(folder: Path) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"cannot be written ({error.strerror})"
