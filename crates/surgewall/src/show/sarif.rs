//! Findings as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use surgewall_core::finding::{Finding, Severity, State};
use surgewall_store::findings::FindingView;

/// One run with all `findings`.
pub(crate) fn document(findings: &[Finding]) -> Value {
    let results: Vec<_> = findings.iter().map(result).collect();
    run(findings.iter().map(|finding| finding.rule.as_str()), &results)
}

/// One run with findings of the inbox, under their ids. What an operator lives
/// with is suppressed, and says why; what is fixed is absent.
pub(crate) fn inbox(views: &[FindingView]) -> Value {
    let results: Vec<_> = views
        .iter()
        .map(|view| {
            let mut result = result(&view.finding);
            result["fingerprints"] = json!({ "surgewall/id": view.id });
            result["occurrenceCount"] = json!(view.seen);
            result["properties"]["state"] = json!(view.finding.state);
            match view.finding.state {
                State::Open => {}
                State::Fixed => result["baselineState"] = json!("absent"),
                State::Acknowledged | State::Rule => {
                    let why = view.note.clone().unwrap_or_default();
                    result["suppressions"] =
                        json!([{ "kind": "external", "status": "accepted", "justification": why }]);
                }
            }
            result
        })
        .collect();
    run(views.iter().map(|view| view.finding.rule.as_str()), &results)
}

fn run<'a>(rules: impl Iterator<Item = &'a str>, results: &[Value]) -> Value {
    let rules: BTreeSet<_> = rules.collect();
    let rules: Vec<_> = rules.into_iter().map(|id| json!({ "id": id })).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "surgewall",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "results": results,
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let level = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Critical => "error",
    };
    let texts = [&finding.evidence, &finding.advice].into_iter().filter(|text| !text.is_empty());
    let text = texts.cloned().collect::<Vec<_>>().join(" ");
    json!({
        "ruleId": finding.rule,
        "level": level,
        "message": { "text": if text.is_empty() { finding.subject.clone() } else { text } },
        "locations": [{ "logicalLocations": [{ "fullyQualifiedName": finding.subject }] }],
        "properties": { "confidence": finding.confidence },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_names_a_listed_rule() {
        let findings = [
            Finding::new(Severity::Critical, "a.b", "x").evidence("seen.").advice("do."),
            Finding::new(Severity::Note, "a.b", "y"),
        ];
        let document = document(&findings);
        let run = &document["runs"][0];
        assert_eq!(document["version"], "2.1.0");
        assert_eq!(run["tool"]["driver"]["rules"], json!([{ "id": "a.b" }]));
        assert_eq!(run["results"][0]["level"], "error");
        assert_eq!(run["results"][0]["message"]["text"], "seen. do.");
        assert_eq!(run["results"][1]["message"]["text"], "y");
    }
}
