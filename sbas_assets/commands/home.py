"""Dagster's home: where it is, what it starts with, and an open instance of it.

The same home is what `dagster dev` shows when it is started with the same `DAGSTER_HOME`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from sbas_assets.errors import InputError
from sbas_assets.workspace import Settings, atomic_write

if TYPE_CHECKING:
    import dagster as dg

CONFIG = "dagster.yaml"


def default_config() -> str:
    """Return the text of the `dagster.yaml` that a new home gets."""
    return files("sbas_assets.commands").joinpath(CONFIG).read_text(encoding="utf-8")


def prepare_home(settings: Settings) -> Path:
    """Make Dagster's home if there is none, give it settings if it has none, and make this process use it.

    Raises
    ------
    InputError
        `dagster-home-unusable`.
    """
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / CONFIG).exists():
            atomic_write(home / CONFIG, default_config())
    except OSError as error:
        raise _unusable(home, error.strerror or str(error)) from error
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of the settings' home.

    Raises
    ------
    InputError
        `dagster-home-unusable`, with what Dagster says about it.
    """
    home = prepare_home(settings)
    silence()
    import dagster as dg
    from sqlalchemy.exc import SQLAlchemyError

    try:
        # its databases are made at the first use: two processes that make them at once leave a broken home for good
        with FileLock(home / ".opening.lock"):
            instance = dg.DagsterInstance.get()
            _make_databases(instance)
    except (dg.DagsterError, SQLAlchemyError, OSError) as error:
        raise _unusable(home, str(error)) from error
    with instance:
        yield instance


def _make_databases(instance: dg.DagsterInstance) -> None:
    """Touch what Dagster would make later, when it is first asked."""
    instance.get_runs_count()
    instance.all_asset_keys()
    instance.all_instigator_state()


def silence() -> None:
    """Keep what Dagster tells developers (beta and preview features, telemetry) from people who run frames."""
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    warnings.filterwarnings("ignore", module="dagster")
    import dagster as dg

    for category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
        warnings.filterwarnings("ignore", category=category)


def _unusable(home: Path, reason: str) -> InputError:
    return InputError(
        "dagster-home-unusable",
        f"Dagster cannot use its home: {reason}",
        mend="give DAGSTER_HOME a folder that can be written, and correct its dagster.yaml",
        path=home,
    )
