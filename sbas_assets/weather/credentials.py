"""The user's credentials of the Climate Data Store, where its client looks for them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sbas_assets.errors import InputError

HOW_TO = "https://cds.climate.copernicus.eu/how-to-api"
KEY_MEND = f"copy the key from {HOW_TO} again"
URL_MEND = f"correct url in ~/.cdsapirc or CDSAPI_URL, see {HOW_TO}"


def credentials_file() -> Path:
    """Return the file that the client reads; it need not exist."""
    return Path(os.environ.get("CDSAPI_RC") or "~/.cdsapirc").expanduser()


def require_credentials() -> str:
    """Return the service's address.

    Raises
    ------
    InputError
        `cds-credentials-missing` or `cds-credentials-outdated`.
    """
    import cdsapi.api

    file = credentials_file()
    mend = f"write url and key into {file}, or set CDSAPI_URL and CDSAPI_KEY, as {HOW_TO} says"
    try:
        url, key, _ = cdsapi.api.get_url_key_verify(None, None, None)
    except Exception as error:
        # the client raises no other kind
        cause = "there are no credentials of the Climate Data Store"
        raise InputError("cds-credentials-missing", cause, mend=mend) from error
    if not url or not key:
        raise InputError("cds-credentials-missing", f"url or key is empty ({file})", mend=mend)
    if ":" in key or re.search(r"/api/v\d", url):
        raise InputError(
            "cds-credentials-outdated",
            f"the credentials are those of the store that was switched off in 2024 ({url})",
            mend=f"copy the new url and key from {HOW_TO}",
        )
    return str(url)
