"""A verdict as JUnit XML: one test case a run, another for each accuracy over seeds; a regression is a failure."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from harness.report.verdict import WORDS, accuracy_label, difference, growth, signed, value, where
from harness.verdict import Change, Comparison, RunComparison

_SKIPPED = {"gone": "the run is gone", "failing": "fails as before"}


def verdict_junit(comparison: Comparison) -> str:
    """Return the document."""
    suite = Element("testsuite", name="harness verdict", timestamp=comparison.after.date.replace(" ", "T", 1)[:16])
    for run in comparison.runs:
        case = SubElement(suite, "testcase", classname=_clean(run.document.run.scenario), name=_clean(run.label))
        if run.state == "broken":
            _add(case, "failure", "failed, and did not before", run.document.reason or "")
        elif run.state in _SKIPPED:
            _add(case, "skipped", _SKIPPED[run.state], "")
        elif run.regressed:
            worse = [change for change in run.changes if change.judgement == "regression"]
            _add(case, "failure", "; ".join(_said(change) for change in worse), _details(run))
    for one in comparison.accuracies:
        name = f"test accuracy of {accuracy_label(one)}"
        case = SubElement(suite, "testcase", classname=_clean(one.scenario), name=_clean(name))
        if one.change.judgement == "regression":
            _add(case, "failure", _said(one.change), one.change.reason)
    for tag, attribute in ((".//testcase", "tests"), (".//failure", "failures"), (".//skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(tag))))
    suite.set("errors", "0")
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _add(case: Element, tag: str, message: str, text: str) -> None:
    SubElement(case, tag, message=_clean(message)).text = _clean(text)


def _clean(text: str) -> str:
    """Return `text` without what XML 1.0 has no place for."""
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)


def _said(change: Change) -> str:
    metric = change.metric
    amount = difference(metric, change.delta) if metric.unit == "share" else growth(change.growth)
    return (
        f"{metric.title}: {value(metric, change.before)} -> {value(metric, change.after)} "
        f"({amount}, {WORDS[change.judgement]})"
    )


def _details(run: RunComparison) -> str:
    lines = [f"{cause.what}: {cause.before} -> {cause.after}" for cause in run.causes]
    grown = [line for line in (run.movement.lines if run.movement else ()) if line.delta > 0]
    lines += [f"{line.place} in {line.function}, {where(line.where[0])}: {signed(line.delta)}" for line in grown[:10]]
    return "\n".join(lines)
