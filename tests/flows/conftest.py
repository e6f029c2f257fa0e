"""One Prefect for all flow tests, with the settings that keep many small runs fast."""

from collections.abc import Iterator

import pytest

from flows.prefect_settings import SETTINGS


@pytest.fixture(scope="session", autouse=True)
def prefect() -> Iterator[None]:
    import os

    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "true"  # the harness is that server
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield
