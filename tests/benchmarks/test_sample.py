# SPDX-License-Identifier: Apache-2.0
"""Computing rates from the arrival times of tokens.

given one stream
    it should compute the rate between its first and last token, and the gaps
given several streams
    it should count only tokens that arrive while all of them decode
    when less than half of the tokens do
        it should count all from the first token to the last, prompts included
given several samples
    it should take the median of each field, without unknown values
"""

import pytest

from benchmarks.runtime.measurement.sample import (
    Sample,
    TokenTimes,
    median_of,
    overlap_share,
    quantile,
    sample_from,
)


def test_sample_from__one_stream__gives_rates_and_gaps() -> None:
    sample = sample_from(TokenTimes(10.0, [[12.0, 12.1, 12.2, 12.5]], 13.0), prompt_tokens=100)
    assert sample.prefill_tokens_per_second == pytest.approx(50)
    assert sample.decode_tokens_per_second == pytest.approx(3 / 0.5)
    assert sample.total_tokens_per_second == pytest.approx(104 / 3)
    assert sample.first_token_seconds == pytest.approx(2)
    assert sample.token_gap_p50_seconds == pytest.approx(0.1)
    assert sample.token_gap_p99_seconds == pytest.approx(0.3)
    assert sample.decode_window_share == 1


def test_sample_from__several_streams__counts_while_all_decode() -> None:
    early = [1.0, 2.0, 3.0, 4.0, 5.0]
    late = [2.0, 3.0, 4.0, 5.0, 6.0]
    sample = sample_from(TokenTimes(0.0, [early, late], 6.0), prompt_tokens=10)
    # In (2, 5]: three of each.
    assert sample.decode_tokens_per_second == pytest.approx(6 / 3)
    assert sample.decode_window_share == pytest.approx(6 / 8)
    assert sample.prefill_tokens_per_second == pytest.approx(20 / 2)
    assert sample.first_token_seconds == pytest.approx(1.5)


def test_sample_from__streams_hardly_overlap__counts_prompts_as_well() -> None:
    times = TokenTimes(0.0, [[1.0, 2.0, 3.0, 4.0], [4.0, 5.0, 6.0, 7.0]], 7.0)
    sample = sample_from(times, prompt_tokens=10)
    assert sample.decode_window_share == 0
    assert sample.decode_tokens_per_second == pytest.approx(6 / 6)
    assert times.window == (1.0, 7.0)


def test_quantile__few_values__is_one_of_them() -> None:
    assert quantile([1, 2, 3, 4], 0.5) == 2
    assert quantile([1, 2, 3, 4], 0.99) == 4
    assert quantile([7], 0.5) == 7


def test_overlap_share__spans_across_the_edges__counts_what_lies_inside() -> None:
    assert overlap_share([(0, 2), (3, 4), (9, 12)], (1, 11)) == pytest.approx(4 / 10)


def test_median_of__several__is_field_by_field() -> None:
    first = Sample(decode_tokens_per_second=1, peak_bytes=(10, 20))
    second = Sample(decode_tokens_per_second=3, peak_bytes=(30, 60), seconds=5)
    third = Sample(decode_tokens_per_second=2, peak_bytes=(20, 10))
    assert median_of([first, second, third]) == Sample(
        decode_tokens_per_second=2, peak_bytes=(20, 20), seconds=5
    )


def test_as_json__unknown_fields__are_left_out() -> None:
    assert Sample(seconds=0.0).as_json() == {"seconds": 0.0}
