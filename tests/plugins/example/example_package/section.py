"""Who built the report."""

from tflitekit.render.blocks import Cell, Column, Section, Table
from tflitekit.render.sections import section


@section(place=45)  # behind the latency
def tools(view):
    """The versions of everything that had a part in it."""
    rows = [(Cell(name), Cell(version)) for name, version in sorted(view.report.tool.items())]
    columns = (Column("Tool", numeric=False), Column("Version", numeric=False))
    return Section("tools", "Tools", blocks=(Table.of("Versions", columns, rows),))
