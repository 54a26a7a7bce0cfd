//! Findings as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use surgewall_core::finding::{Finding, Severity};

/// One run with all `findings`.
pub(crate) fn document(findings: &[Finding]) -> Value {
    let rules: BTreeSet<_> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    let rules: Vec<_> = rules.into_iter().map(|id| json!({ "id": id })).collect();
    let results: Vec<_> = findings.iter().map(result).collect();
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
