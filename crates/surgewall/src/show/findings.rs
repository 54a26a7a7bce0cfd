//! Findings for people.

use surgewall_core::finding::{Confidence, Finding, Severity};

/// Findings, one block each, worst first.
pub(crate) fn text(findings: &[Finding], colourful: bool) -> String {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    sorted.into_iter().map(|finding| block(finding, colourful)).collect()
}

fn block(finding: &Finding, colourful: bool) -> String {
    let word = severity(finding.severity, colourful);
    let sure = match finding.confidence {
        Confidence::Certain => "",
        Confidence::Likely => " (likely)",
        Confidence::Possible => " (possible)",
    };
    let subject = super::plain(&finding.subject);
    let mut block = format!("{word} {}: {subject}{sure}\n", finding.rule);
    for line in [&finding.evidence, &finding.advice] {
        if !line.is_empty() {
            block += &format!("  {}\n", super::plain(line));
        }
    }
    block
}

/// The severity's word, coloured where a person looks; the word itself says it all.
fn severity(severity: Severity, colourful: bool) -> String {
    let code = match severity {
        Severity::Note => 36,
        Severity::Warning => 33,
        Severity::Critical => 31,
    };
    let word = severity.as_str();
    if colourful { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// What they come to: `2 findings: 1 critical, 1 warning` or `no findings`.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let of =
        |severity| findings.iter().filter(|f| f.counts() && f.severity == severity).count() as u64;
    let (critical, warning) = (of(Severity::Critical), of(Severity::Warning));
    match critical + warning {
        0 => "no findings\n".to_owned(),
        all => {
            format!("{}: {critical} critical, {warning} warning\n", super::count(all, "finding"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_notes_do_not_count() {
        let findings = [
            Finding::new(Severity::Note, "a.b", "x").evidence("seen"),
            Finding::new(Severity::Critical, "c.d", "y\x07").advice("do"),
        ];
        assert_eq!(text(&findings, false), "critical c.d: y\u{fffd}\n  do\nnote a.b: x\n  seen\n");
        assert!(text(&findings, true).contains("\x1b[31mcritical\x1b[0m"));
        assert_eq!(summary(&findings), "1 finding: 1 critical, 0 warning\n");
        assert_eq!(summary(&findings[..1]), "no findings\n");
    }
}
