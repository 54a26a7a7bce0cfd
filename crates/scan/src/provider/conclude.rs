//! From what was seen to what should be changed, and what is not known.

use surgewall_core::finding::{Confidence, Finding, Severity};

use super::report::{Declared, Guard, Report};
use super::routes::QUESTIONS;
use crate::reach::Reach;

/// Adds the findings and the list of what is not known.
pub(super) fn conclude(report: &mut Report) {
    if report.answered {
        let findings =
            [clear(report), certificate(report), open(report), late(report), told(report)];
        report.findings.extend(findings.into_iter().flatten());
        if report.limits.is_empty() {
            report.unknown.push("No answer to a stranger named a limit.".into());
        }
    } else if report.unknown.is_empty() {
        report.unknown.push("It gave no answer that can be read.".into());
    }
    undeclared(report);
}

/// Keys and prompts would go over the line in clear.
fn clear(report: &Report) -> Option<Finding> {
    let is_here = report.address.map(Reach::of) == Some(Reach::Loopback);
    let finding = Finding::new(Severity::Critical, "provider.clear", &report.provider)
        .evidence("It speaks no TLS: whoever is on the way reads keys, prompts and answers.")
        .advice("Use its https:// address, or another provider.");
    (!report.tls.spoken && !is_here).then_some(finding)
}

fn certificate(report: &Report) -> Option<Finding> {
    let finding = Finding::new(Severity::Critical, "provider.certificate", &report.provider)
        .evidence(format!("Its certificate {}.", report.tls.unfit?))
        .advice("Do not send it a key until its certificate is fit; for one's own authority set the upstream's ca_file.");
    Some(finding)
}

/// One finding for what strangers are answered, as bad as the worst of it.
fn open(report: &Report) -> Option<Finding> {
    let is_open = |name: &str| {
        let mut routes = report.routes.iter();
        routes.any(|asked| asked.route == name && asked.outcome == Guard::Open)
    };
    let open = QUESTIONS.iter().filter(|question| is_open(question.name));
    let open: Vec<_> = open.collect();
    let severity = open.iter().map(|question| question.severity).max()?;
    let names: Vec<_> = open.iter().map(|question| question.name).collect();
    let mut said: Vec<_> = open.iter().map(|question| question.opened).collect();
    said.dedup();
    let finding = Finding::new(severity, "provider.open", &report.provider)
        .evidence(format!("{} ({})", said.join(" "), names.join(", ")))
        .advice("Ask the provider why these routes need no key; on one's own server set its key, and let only the door reach it.");
    Some(finding)
}

fn late(report: &Report) -> Option<Finding> {
    let late = report.routes.iter().filter(|asked| asked.outcome == Guard::Late);
    let late: Vec<_> = late.map(|asked| asked.route).collect();
    if late.is_empty() {
        return None;
    }
    let mut finding = Finding::new(Severity::Warning, "provider.late", &report.provider)
        .evidence(format!(
            "It looks into a stranger's request before it asks for a key, and may serve one that is whole: {}.",
            late.join(", ")
        ))
        .advice("Ask the provider to refuse strangers first; on one's own server set its key.");
    finding.confidence = Confidence::Likely;
    Some(finding)
}

fn told(report: &Report) -> Option<Finding> {
    let (headers, words): (Vec<&str>, Vec<&str>) =
        report.leaks.iter().partition(|leak| leak.ends_with("in a header"));
    let severity = if words.is_empty() { Severity::Note } else { Severity::Warning };
    let all = [words, headers].concat();
    let finding = Finding::new(severity, "provider.leak", &report.provider)
        .evidence(format!("Its answers tell strangers of its inside: {}.", all.join("; ")))
        .advice(
            "Ask the provider to keep its inside out of its answers; they help whoever attacks it.",
        );
    (!all.is_empty()).then_some(finding)
}

/// What nobody declared.
fn undeclared(report: &mut Report) {
    let Some(Declared { region, retention_days, trains_on_data, terms_source, terms_date, .. }) =
        &report.declared
    else {
        report.unknown.push("Region, retention, training and terms: no upstream of the configuration is at this address.".into());
        return;
    };
    let lines = [
        (region.is_none(), "In which region it is: the upstream has no `region`."),
        (
            retention_days.is_none(),
            "How long it keeps prompts and answers: the upstream has no `retention_days`.",
        ),
        (
            trains_on_data.is_none(),
            "Whether models are trained on them: the upstream has no `trains_on_data`.",
        ),
        (terms_source.is_none(), "Where its terms are: the upstream has no `terms_source`."),
        (terms_date.is_none(), "When its terms were read: the upstream has no `terms_date`."),
    ];
    let missing = lines.iter().filter(|(is_missing, _)| *is_missing);
    report.unknown.extend(missing.map(|(_, line)| (*line).to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::report::{Asked, Tls};

    fn report(address: &str, tls: bool) -> Report {
        Report {
            provider: "p".to_owned(),
            requests: 11,
            answered: true,
            address: address.parse().ok(),
            tls: Tls { spoken: tls, ..Tls::default() },
            routes: Vec::new(),
            leaks: Vec::new(),
            limits: vec!["retry-after"],
            declared: None,
            observed_region: None,
            unknown: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn rules(report: &mut Report) -> Vec<(String, Severity)> {
        conclude(report);
        report.findings.iter().map(|one| (one.rule.clone(), one.severity)).collect()
    }

    #[test]
    fn a_line_in_clear_beyond_this_machine_is_critical() {
        let clear = vec![("provider.clear".to_owned(), Severity::Critical)];
        for (address, tls, expected) in [
            ("203.0.113.9", false, clear.clone()),
            ("10.0.0.5", false, clear),
            ("127.0.0.1", false, vec![]),
            ("203.0.113.9", true, vec![]),
        ] {
            assert_eq!(rules(&mut report(address, tls)), expected, "{address} {tls}");
        }
    }

    #[test]
    fn a_finding_is_as_bad_as_the_worst_of_it() {
        let open = |routes: &[&'static str]| {
            let mut report = report("127.0.0.1", true);
            let asked = |route: &&'static str| Asked { route, outcome: Guard::Open, evidence: "" };
            report.routes = routes.iter().map(asked).collect();
            rules(&mut report).first().map(|(_, severity)| *severity)
        };
        assert_eq!(open(&[]), None);
        assert_eq!(open(&["GET /models"]), Some(Severity::Note));
        assert_eq!(open(&["GET /models", "GET /files"]), Some(Severity::Critical));
        let mut version = report("127.0.0.1", true);
        version.leaks = vec!["its server's version, in a header"];
        assert_eq!(rules(&mut version), [("provider.leak".to_owned(), Severity::Note)]);
    }
}
