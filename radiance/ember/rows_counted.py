"""Rows of the tables that follow from counting: the calendar and small sums."""


def chain(context: str, words: str, step: int) -> str:
    """Rows of neighbours in a circle of words, ``step`` places apart."""
    names = words.split()
    pairs = zip(names, names[step:] + names[:step], strict=True)
    return "\n".join(f"{context} {first}|{first}|{second}" for first, second in pairs)


DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
MONTHS = "January February March April May June July August September October November December"
TIMES = "\n".join(f"{a}x{b}|{a}|{b}|{a * b}" for a in range(2, 11) for b in range(2, 11))
SUMS = "\n".join(f"{a}+{b}|{a}|{b}|{a + b}" for a in range(1, 13) for b in range(1, 13))
DIFFERENCES = "\n".join(f"{a}-{b}|{a}|{b}|{a - b}" for a in range(2, 13) for b in range(1, a))
