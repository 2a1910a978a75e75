"""Numbers as people read them."""


def duration(seconds: float) -> str:
    """Three digits.

    >>> [duration(s) for s in (8.21e-06, 0.00012, 0.0456, 2.1)]
    ['8.21 µs', '120 µs', '45.6 ms', '2.10 s']
    """
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * factor:
            return _three(seconds / factor, unit)
    return _three(seconds / 1e-6, "µs")


def bytes_(count: float) -> str:
    """Three digits, in powers of 1024.

    >>> [bytes_(n) for n in (0, 100, 4096, 5 * 2**20 + 2**18, 3 * 2**30)]
    ['0 B', '100 B', '4 KiB', '5.25 MiB', '3 GiB']
    """
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def _three(value: float, unit: str) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"
