"""The pace: how much is read in all, whatever the length of a stream."""

from __future__ import annotations

import pytest

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.stream.pace import Pace


def tokens_read(pace: Pace, length: int) -> int:
    """Tokens read of a stream that comes token by token: `text` is what is held and `hold_back` tokens before it."""
    read = fresh = cleared = judged = 0
    for come in range(1, length + 1):
        fresh += 1
        if pace.due(fresh, judged):
            read += come - max(0, cleared - pace.hold_back)
            judged, fresh, cleared = come, 0, come - pace.margin
    return read + (length - max(0, cleared - pace.hold_back) if fresh else 0)


@pytest.mark.parametrize("hold_back", [4, 5, 8, 12, 32, 33, 100, 124])
def test_a_stream_of_any_length_is_read_less_than_three_times(hold_back):
    pace = Pace(hold_back)
    assert max(tokens_read(pace, length) / length for length in range(1, 5 * hold_back)) <= 3
    assert tokens_read(pace, 4_000) / 4_000 < 2.8


@pytest.mark.parametrize("hold_back", [4, 5, 8, 12, 32, 33, 100, 124])
def test_no_more_than_the_hold_back_is_held(hold_back):
    pace, cleared, judged, fresh = Pace(hold_back), 0, 0, 0
    for come in range(1, 1000):
        fresh += 1
        if pace.due(fresh, judged):
            judged, fresh, cleared = come, 0, come - pace.margin
        assert come - cleared <= hold_back


def test_the_first_judgements_come_early():
    pace = Pace(32)
    assert (pace.margin, pace.stride, pace.first) == (8, 24, 12)
    assert not pace.due(11, 0)
    assert pace.due(12, 0)
    assert not pace.due(11, 12)
    assert pace.due(24, 500)


@pytest.mark.parametrize("options", [{"hold_back": 3}, {"hold_back": 0}, {"hold_back": 8, "max_delay": 0.0}])
def test_a_pace_that_makes_no_sense_is_refused(options):
    with pytest.raises(ConfigError, match="hold_back|max_delay_ms"):
        Pace(**options)
