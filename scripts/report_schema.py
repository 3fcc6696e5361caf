"""Writes docs/report.schema.json, the JSON Schema of report.json, from the types in tflitekit/results/.

python scripts/report_schema.py [--check]

With --check nothing is written: the exit code is 1 where the file is not what the types say.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from tflitekit.results import SCHEMA_VERSION, Report

FILE = Path(__file__).resolve().parents[1] / "docs" / "report.schema.json"


class WholeReports(GenerateJsonSchema):
    """The kit leaves no field out, so all are required; titles would only repeat the names."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> str:
    """Returns the schema as it stands in the file."""
    content = Report.model_json_schema(mode="serialization", schema_generator=WholeReports)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"report.json of tflitekit, schema version {SCHEMA_VERSION}",
    }
    return json.dumps(head | {k: v for k, v in content.items() if k not in head}, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        FILE.write_text(schema(), encoding="utf-8")
        return 0
    if FILE.is_file() and FILE.read_text(encoding="utf-8") == schema():
        return 0
    print(f"{FILE.name} is not what the types say: run 'python scripts/report_schema.py'.")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
