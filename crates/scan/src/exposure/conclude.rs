//! From what was judged to what is reported: how bad it is, and who reaches it.

use std::net::SocketAddr;

use surgewall_core::finding::{Confidence, Finding, Severity};

use super::judge::Judged;
use super::kind::{Holds, Kind};
use super::report::{Outcome, Report, Seen};
use crate::reach::Reach;

/// Why a port was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was named.
    Named,
    /// It listens on this machine, bound to this address.
    Own(SocketAddr),
    /// It is a server of a configured upstream.
    Upstream,
}

/// Adds what was judged of `target`, which took a connection at `address`.
pub(crate) fn conclude(
    report: &mut Report,
    origin: &Origin,
    target: &str,
    address: Option<SocketAddr>,
    judged: &Judged,
) {
    let (service, outcome, evidence) = match *judged {
        Judged::Open(kind, evidence) => (Some(kind), Outcome::Open, evidence),
        Judged::Guarded(kind, evidence) => (kind, Outcome::AuthRequired, evidence),
        Judged::Unclear(kind, evidence) => (kind, Outcome::Unknown, evidence),
        Judged::More | Judged::Then(..) | Judged::Other => (None, Outcome::Unknown, OTHER),
    };
    // Nobody said that one of the known services is there: another program uses its
    // port, and one on loopback that says nothing is none of a stranger's business.
    if let (Origin::Own(bound), None, Outcome::Unknown) = (origin, service, outcome)
        && (evidence == OTHER || Reach::of(bound.ip()) == Reach::Loopback)
    {
        report.notes.push(format!("{target} is not looked into: {}", uncapitalised(evidence)));
        return;
    }
    report.seen.push(Seen { target: target.to_owned(), service, outcome, evidence });
    if let Judged::Open(kind, evidence) = judged {
        report.findings.push(finding(origin, target, address, kind, evidence));
    }
}

const OTHER: &str = "It answers, and is none of the services that are known here.";

/// The sentence as it goes on after a colon.
fn uncapitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn finding(
    origin: &Origin,
    target: &str,
    address: Option<SocketAddr>,
    kind: &Kind,
    evidence: &str,
) -> Finding {
    let reach = match origin {
        Origin::Own(bound) => Reach::of(bound.ip()),
        Origin::Named | Origin::Upstream => {
            address.map_or(Reach::Name, |address| Reach::of(address.ip()))
        }
    };
    if *origin == Origin::Upstream {
        return upstream(target, reach, evidence);
    }
    Finding::new(severity(origin, reach, kind), &kind.rule(), target)
        .evidence(format!(
            "This is {}. {evidence} It can be reached by {}.",
            kind.name,
            reach.who()
        ))
        .advice(kind.advice)
}

/// Beyond loopback it is critical. On loopback every program and user of this
/// machine is let in, which is a warning; a model server there is what a door
/// stands in front of, and worth no more than a note unless somebody asked.
fn severity(origin: &Origin, reach: Reach, kind: &Kind) -> Severity {
    let is_own = matches!(origin, Origin::Own(_));
    match (reach, kind.holds) {
        (Reach::Loopback, Holds::Model) if is_own => Severity::Note,
        (Reach::Loopback, _) => Severity::Warning,
        _ => Severity::Critical,
    }
}

/// A configured upstream that lists its models to strangers can be used around
/// the door by whoever reaches it.
fn upstream(target: &str, reach: Reach, evidence: &str) -> Finding {
    let (severity, confidence) = match reach {
        Reach::Loopback => (Severity::Note, Confidence::Certain),
        Reach::Private | Reach::Any => (Severity::Warning, Confidence::Likely),
        Reach::Public | Reach::Name => (Severity::Critical, Confidence::Likely),
    };
    let mut finding = Finding::new(severity, "exposure.upstream", target)
        .evidence(format!(
            "{evidence} It can be reached by {}, who can use it without the door.",
            reach.who()
        ))
        .advice("Let the server ask for a key and configure it as api_key, or let only this machine reach it.");
    finding.confidence = confidence;
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::kind::Holds;

    static STORE: Kind =
        Kind { id: "store", name: "A store", holds: Holds::Data, advice: "Close it." };
    static MODEL: Kind =
        Kind { id: "model", name: "A model", holds: Holds::Model, advice: "Close it." };

    fn own(bound: &str) -> Origin {
        Origin::Own(bound.parse().unwrap())
    }

    #[test]
    fn how_bad_it_is_depends_on_who_reaches_it() {
        for (origin, address, kind, severity) in [
            (Origin::Named, "127.0.0.1:1", &STORE, Severity::Warning),
            (Origin::Named, "[::1]:1", &MODEL, Severity::Warning),
            (Origin::Named, "10.0.0.5:1", &MODEL, Severity::Critical),
            (Origin::Named, "203.0.113.9:1", &STORE, Severity::Critical),
            (own("127.0.0.1:1"), "127.0.0.1:1", &STORE, Severity::Warning),
            (own("127.0.0.1:1"), "127.0.0.1:1", &MODEL, Severity::Note),
            (own("0.0.0.0:1"), "127.0.0.1:1", &MODEL, Severity::Critical),
            (own("[::]:1"), "10.0.0.5:1", &STORE, Severity::Critical),
            (Origin::Upstream, "127.0.0.1:1", &MODEL, Severity::Note),
            (Origin::Upstream, "10.0.0.5:1", &MODEL, Severity::Warning),
            (Origin::Upstream, "203.0.113.9:1", &MODEL, Severity::Critical),
        ] {
            let mut report = Report::default();
            let judged = Judged::Open(kind, "It answered.");
            conclude(&mut report, &origin, "t", Some(address.parse().unwrap()), &judged);
            assert_eq!(report.findings[0].severity, severity, "{origin:?} {address}");
            assert_eq!(report.seen[0].outcome, Outcome::Open);
        }
    }

    #[test]
    fn what_is_not_open_is_no_finding() {
        for (judged, origin, seen) in [
            (Judged::Guarded(Some(&STORE), "x"), Origin::Named, Some(Outcome::AuthRequired)),
            (Judged::Unclear(None, "x"), Origin::Named, Some(Outcome::Unknown)),
            (Judged::Other, Origin::Named, Some(Outcome::Unknown)),
            (Judged::Other, own("0.0.0.0:1"), None),
            (Judged::Unclear(None, "x"), own("0.0.0.0:1"), Some(Outcome::Unknown)),
            (Judged::Unclear(None, "x"), own("127.0.0.1:1"), None),
            (Judged::Unclear(Some(&STORE), "x"), own("127.0.0.1:1"), Some(Outcome::Unknown)),
        ] {
            let mut report = Report::default();
            conclude(&mut report, &origin, "t", None, &judged);
            assert_eq!(report.seen.first().map(|seen| seen.outcome), seen);
            assert!(report.findings.is_empty());
        }
    }
}
