"""Cuts: exactly as many numbers are kept as asked for, whatever the numbers are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from unigurd_trainer.merge.magnitude import find_cuts, trim  # noqa: E402

numbers = st.lists(
    st.one_of(st.floats(width=32, allow_nan=False), st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-42])), max_size=20
)


@given(parts=st.lists(numbers, min_size=1, max_size=4), share=st.floats(0, 1))
def test_the_largest_are_kept_and_ties_go_by_index(parts, share):
    vectors = [torch.tensor(part, dtype=torch.float32) for part in parts]
    together = torch.cat(vectors)
    keep = max(1, int(share * len(together)))
    cuts = find_cuts(lambda: ([vector] for vector in vectors), keep)
    if not len(together):
        assert all(cut.spare == 0 for cut in cuts)
        return
    kept = sorted(range(len(together)), key=lambda index: (-abs(float(together[index])), index))[:keep]
    counted = sum(
        int((vector.abs() > cut.magnitude).sum()) + cut.spare for vector, cut in zip(vectors, cuts, strict=True)
    )
    assert counted == keep
    if together.isfinite().all():
        expected = torch.zeros_like(together)
        expected[kept] = together[kept]
        trimmed = torch.cat(
            [part for vector, cut in zip(vectors, cuts, strict=True) for part in trim([vector.clone()], cut)]
        )
        assert torch.equal(trimmed, expected)
