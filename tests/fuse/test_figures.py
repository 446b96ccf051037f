"""What a space uses, in words."""

import pytest
from bowerbird_fuse.figures import Figures, size_in_words
from hypothesis import given
from hypothesis import strategies as st

GIB = 1 << 30


@pytest.mark.parametrize(
    ("figures", "level", "words"),
    [
        (Figures("home/ann", 8 * GIB - GIB, 0, None, 10 * GIB), 0, ""),
        (Figures("home/ann", 8 * GIB, 0, None, 10 * GIB), 80, "Your home is 80 % full: it uses 8 GiB of 10 GiB."),
        (Figures("team/ant", 93 * GIB // 10, 0, None, 10 * GIB), 90, "The space of team ant is 93 % full: it uses 9.3 GiB of 10 GiB."),
        (
            Figures("home", 10 * GIB - 1, 0, 9, 10 * GIB),
            100,
            "Your home is full: it uses 10 GiB of 10 GiB. What does not fit is refused.",
        ),
        (Figures("home", 7 * GIB, 0, 6 * GIB, 10 * GIB), 80, "Your home is 70 % full: it uses 7 GiB of 10 GiB."),
        (Figures("home", 7 * GIB, 0, 13 * GIB // 2), 80, "Your home uses 7 GiB, and 6.5 GiB are meant for it."),
        (Figures("home", 0, 0, None, 0), 0, ""),
    ],
)
def test_level_and_words(figures: Figures, level: int, words: str) -> None:
    assert (figures.level, figures.words) == (level, words)


@given(st.builds(Figures, st.just("team/" + 31 * "a"), *[st.integers(0, 1 << 60)] * 2, *[st.none() | st.integers(0, 1 << 60)] * 2))
def test_words_fit_into_a_note_and_figures_travel(figures: Figures) -> None:
    assert len(figures.words) <= 140
    assert Figures.from_json(figures.to_json()) == figures


def test_sizes_are_short() -> None:
    assert [size_in_words(size) for size in (0, 1023, 1536, 10 * GIB, 123 * GIB + 5)] == ["0 B", "1023 B", "1.5 KiB", "10 GiB", "123 GiB"]
