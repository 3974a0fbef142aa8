"""Double-double numbers: an unevaluated pair of floats (hi, lo), which carries about 32 digits.

Part of the source that :mod:`fairslice.alloc.engine` runs with several backends; see
:mod:`fairslice.alloc.kernel.filling`. All functions are free of branches, so they take numpy arrays as well.
Products and quotients need magnitudes between 1e-140 and 1e140.

References
----------
.. [1] T. J. Dekker, "A floating-point technique for extending the available precision", Numerische
   Mathematik 18, 1971.
.. [2] M. Joldes, J.-M. Muller and V. Popescu, "Tight and rigorous error bounds for basic building blocks of
   double-word arithmetic", ACM Trans. Mathematical Software 44(2), 2017.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"


def two_sum(a, b):
    """a + b and its rounding error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def normal(hi, lo):
    """The same number with hi its nearest float."""
    total = hi + lo
    return total, lo - (total - hi)


def gather(hi, lo, x_hi, x_lo):
    """Add to a sum that is made :func:`normal` only when it is read."""
    total, error = two_sum(hi, x_hi)
    return total, lo + (error + x_lo)


def add(a_hi, a_lo, b_hi, b_lo):
    """a + b (AccurateDWPlusDW of [2]_)."""
    s_hi, s_lo = two_sum(a_hi, b_hi)
    t_hi, t_lo = two_sum(a_lo, b_lo)
    v_hi, v_lo = normal(s_hi, s_lo + t_hi)
    return normal(v_hi, t_lo + v_lo)


def split(a):
    """a as a sum of two floats of half the digits (Veltkamp)."""
    t = 134217729.0 * a
    hi = t - (t - a)
    return hi, a - hi


def mul(a_hi, a_lo, b_hi, b_lo):
    """a · b (DWTimesDW1 of [2]_, Dekker's product)."""
    p = a_hi * b_hi
    x, y = split(a_hi)
    u, v = split(b_hi)
    error = ((x * u - p) + x * v + y * u) + y * v
    return normal(p, error + (a_hi * b_lo + a_lo * b_hi))


def div(a_hi, a_lo, b_hi, b_lo):
    """a / b (DWDivDW2 of [2]_)."""
    q = a_hi / b_hi
    p_hi, p_lo = mul(b_hi, b_lo, q, 0.0)
    return normal(q, ((a_hi - p_hi) + (a_lo - p_lo)) / b_hi)


def ratio(a, b):
    """a / b of two floats."""
    q = a / b
    p_hi, p_lo = mul(b, 0.0, q, 0.0)
    return q, ((a - p_hi) - p_lo) / b
