//! What is new since the last run.

use std::collections::BTreeMap;

use surgewall_core::finding::{Finding, State};

use super::report::{Outcome, Report};

/// What was open at the last run.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    open: BTreeMap<(String, String), Finding>,
}

impl Changes {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a run's report: the findings that are new or have changed, and
    /// those that are gone, as fixed. What could not be told this time stays as it was.
    pub fn take(&mut self, report: &Report) -> Vec<Finding> {
        let mut before = std::mem::take(&mut self.open);
        let mut changed = Vec::new();
        for finding in &report.findings {
            let key = (finding.rule.clone(), finding.subject.clone());
            if before.remove(&key).as_ref() != Some(finding) {
                changed.push(finding.clone());
            }
            self.open.insert(key, finding.clone());
        }
        let unsure = |subject: &str| {
            let unknown = report.seen.iter().filter(|seen| seen.outcome == Outcome::Unknown);
            unknown.into_iter().any(|seen| subject.ends_with(&seen.target))
        };
        for (key, finding) in before {
            if unsure(&finding.subject) {
                self.open.insert(key, finding);
            } else {
                changed.push(Finding { state: State::Fixed, ..finding });
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::finding::Severity;

    use super::*;
    use crate::exposure::report::Seen;

    fn report(open: &[&str], unknown: &[&str]) -> Report {
        let finding = |port: &&str| {
            Finding::new(Severity::Critical, "exposure.redis", format!("Redis at {port}"))
        };
        let seen = |port: &&str| Seen {
            target: (*port).to_owned(),
            service: None,
            outcome: Outcome::Unknown,
            evidence: "",
        };
        Report {
            seen: unknown.iter().map(seen).collect(),
            findings: open.iter().map(finding).collect(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut changes = Changes::new();
        let mut told = |open: &[&str], unknown: &[&str]| {
            let told = changes.take(&report(open, unknown)).into_iter();
            told.map(|finding| format!("{:?} {}", finding.state, finding.subject))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&["h:1", "h:2"], &[]), ["Open Redis at h:1", "Open Redis at h:2"]);
        assert!(told(&["h:1", "h:2"], &[]).is_empty());
        assert!(told(&["h:1"], &["h:2"]).is_empty(), "it could not be told: it may still be open");
        assert_eq!(told(&["h:1"], &[]), ["Fixed Redis at h:2"]);
        assert_eq!(told(&[], &[]), ["Fixed Redis at h:1"]);
        assert!(told(&[], &[]).is_empty());
    }

    #[test]
    fn what_got_worse_is_told_again() {
        let mut changes = Changes::new();
        let mut now = report(&["h:1"], &[]);
        now.findings[0].severity = Severity::Warning;
        assert_eq!(changes.take(&now).len(), 1);
        assert_eq!(changes.take(&report(&["h:1"], &[])).len(), 1);
    }
}
