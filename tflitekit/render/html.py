"""``report.html``: one file with everything in it, for a browser without a network."""

from __future__ import annotations

from tflitekit.render.page import PLOTTING, fill, plots_of
from tflitekit.render.sections import View, sections
from tflitekit.render.sections.decision import decide
from tflitekit.render.sections.provenance import provenance
from tflitekit.render.summary import grouped_warnings, model_name
from tflitekit.results import Report

__all__ = ["render"]


def render(report: Report) -> str:
    """Returns the page; everything that comes from files is escaped, and nothing is loaded from anywhere."""
    view = View.of(report)
    shown = sections(view)
    return fill(
        "report.html.jinja",
        libraries=(*PLOTTING, "sortable.min.js"),
        script="report.js",
        report=report,
        view=view,
        title=model_name(report),
        decision=decide(view),
        sections=shown,
        warnings=grouped_warnings(report),
        stopped=[row for row in report.variants if row.status != "ok"],
        provenance=provenance(report),
        plots=plots_of({figure.id: figure.specs for section in shown for figure in section.figures}),
    )
