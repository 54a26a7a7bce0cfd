//! A data flow report as a page: no script, nothing loaded from elsewhere.

use std::fmt::Write as _;

use super::{head, sections, words};
use crate::commands::{DataflowLine as Line, DataflowProof as Proof, DataflowReport as Report};
use crate::show::html::{escape, page};

/// The report as a whole page.
pub(crate) fn html(report: &Report) -> String {
    let mut body = "<h1>Data flow</h1>\n".to_owned();
    for line in head(report) {
        let _ = writeln!(body, "<p>{}</p>", escape(&line));
    }
    for section in sections(report) {
        let _ = writeln!(body, "<h2>{}</h2>\n<ul>", escape(section.title));
        for Line { says, details, evidence } in &section.lines {
            let _ = write!(body, "<li>{}", escape(says));
            for detail in details {
                let _ = write!(body, "<br>{}", escape(detail));
            }
            let _ = writeln!(body, "{}</li>", proofs(evidence));
        }
        body += "</ul>\n";
    }
    body += "<h2>UNKNOWN</h2>\n<ol>\n";
    for unknown in &report.unknown {
        let _ = writeln!(
            body,
            "<li>{}<br>To know it: {}{}</li>",
            escape(&unknown.what),
            escape(&unknown.to_know),
            proofs(&unknown.evidence)
        );
    }
    body += "</ol>\n";
    page("Data flow", &body)
}

fn proofs(evidence: &[Proof]) -> String {
    let each = evidence.iter();
    each.map(|proof| format!("<br><small>{}</small>", escape(&words::proof(proof)))).collect()
}
