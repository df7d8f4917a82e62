"""timing - bounds that the product promises, on a machine that has others to serve."""

TRIES = 6


def within(promised_s, take, tries=TRIES):
    """take() does it once and gives how many seconds it took, or fails.  One of a few tries must keep
    what is promised: others may hold the processor the one time and the other, but not for ever.
    Gives the best."""
    took_s = []
    while len(took_s) < tries:
        took_s.append(take())
        if took_s[-1] <= promised_s:
            return took_s[-1]
    raise AssertionError(f"never within {promised_s} s: {took_s}")
