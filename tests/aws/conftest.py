from collections.abc import Iterator

import pytest

from tests.worlds.aws import AwsWorld
from tests.worlds.aws_server import Keys


@pytest.fixture
def keys() -> Iterator[Keys]:
    keys = Keys()
    yield keys
    keys.close()


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    world = AwsWorld()
    yield world
    world.close()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without their pauses."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
