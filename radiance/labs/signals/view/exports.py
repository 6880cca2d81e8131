"""The files that are kept beside a result, for people and papers."""

from radiance.labs.signals import store
from radiance.labs.signals.results import StudyResult
from radiance.labs.signals.view import latex, report


def exports_of(result: StudyResult, earlier: StudyResult | None) -> dict[str, str]:
    """The text of each file by its name; ``earlier`` is what the report compares with."""
    return {
        store.REPORT: report.render(result, earlier),
        store.MACROS: latex.render(result),
    }
