"""Times in words, for what tells how far it is."""

__all__ = ["in_words"]


def in_words(seconds: float) -> str:
    """Return a time to two digits or so.

    Examples
    --------
    >>> in_words(12.3), in_words(1234), in_words(12345)
    ('12 s', '21 min', '3.4 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
