#!/usr/bin/env python3
"""Writes every query of the Grafana dashboard as a recording rule, so that promtool can check them.

    tests/dashboard.py deploy/grafana/surgewall.json FOLDER/surgewall.rules.yml
"""

import json
import pathlib
import re
import sys

# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$instance": ".*", "$upstream": ".*"}


def queries(dashboard):
    """The queries of all panels and annotations, and those behind the variables."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.fullmatch(r"label_values\((\w+), \w+\)", variable["definition"])[1]


def filled(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    if "$" in expression:
        sys.exit(f"{sys.argv[1]}: a variable without a value: {expression}")
    return expression


def main():
    dashboard = json.loads(pathlib.Path(sys.argv[1]).read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        sys.exit(f"{sys.argv[1]}: two panels have one id")
    rules = [
        {"record": f"dashboard:query:{at}", "expr": filled(expression), "labels": {"panel": title}}
        for at, (title, expression) in enumerate(queries(dashboard))
    ]
    # JSON is YAML too.
    document = {"groups": [{"name": "dashboard", "rules": rules}]}
    pathlib.Path(sys.argv[2]).write_text(json.dumps(document, indent=1))
    print(f"{len(rules)} queries")


if __name__ == "__main__":
    main()
