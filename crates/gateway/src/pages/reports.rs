//! Reports of browsers about what a page tried against its policy: counted by
//! directive, and not kept. A report comes from a stranger and may say anything.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use crate::door::Door;

/// Bytes of a report that are read; a longer one counts as `other`.
const REPORT_BYTES_MAX: usize = 16 << 10;
/// Seconds that a report may take to arrive.
const REPORT_READ_S_MAX: u64 = 5;
/// Reports of one request that are counted.
const REPORTS_PER_REQUEST_MAX: usize = 16;

/// The directives that are told apart in the metric.
const DIRECTIVES: [&str; 8] = [
    "script-src",
    "style-src",
    "img-src",
    "connect-src",
    "form-action",
    "frame-ancestors",
    "require-trusted-types-for",
    "trusted-types",
];
/// What any other is called.
const OTHER: &str = "other";

/// Takes what a browser reports; the answer never tells anything.
#[expect(clippy::disallowed_methods, reason = "bounded by REPORT_BYTES_MAX")]
pub(crate) async fn report(door: &Door, request: Request) -> Response {
    let body = Limited::new(request.into_body(), REPORT_BYTES_MAX).collect();
    let read = tokio::time::timeout(Duration::from_secs(REPORT_READ_S_MAX), body).await;
    let bytes = read.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
    for directive in directives(bytes.as_deref().unwrap_or_default()) {
        door.metrics.pages.csp_report(directive);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The directives that a body names: one a report, `other` for what is not known.
fn directives(body: &[u8]) -> Vec<&'static str> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return vec![OTHER] };
    let reports = match &value {
        Value::Array(reports) => reports.as_slice(),
        one => std::slice::from_ref(one),
    };
    reports.iter().take(REPORTS_PER_REQUEST_MAX).map(directive).collect()
}

/// Of one report: the Reporting API's form, or that of `report-uri`.
fn directive(report: &Value) -> &'static str {
    let named = report["body"]["effectiveDirective"]
        .as_str()
        .or_else(|| report["csp-report"]["effective-directive"].as_str())
        .unwrap_or_default();
    // `script-src-elem` and the like are told as what they fall back to.
    let known = DIRECTIVES.iter().find(|known| {
        named.strip_prefix(**known).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    known.copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &[&str]) {
        assert_eq!(directives(body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn a_report_is_counted_by_its_directive() {
        check(r#"[{"body":{"effectiveDirective":"script-src-elem"}}]"#, &["script-src"]);
        check(r#"{"csp-report":{"effective-directive":"img-src"}}"#, &["img-src"]);
        check(
            r#"[{"body":{"effectiveDirective":"require-trusted-types-for"}},{"body":{}}]"#,
            &["require-trusted-types-for", OTHER],
        );
    }

    #[test]
    fn what_a_stranger_says_is_no_label() {
        check(r#"[{"body":{"effectiveDirective":"script-srcx"}}]"#, &[OTHER]);
        check(r#"[{"body":{"effectiveDirective":7}}]"#, &[OTHER]);
        for body in ["", "x", "{", "\u{0}"] {
            check(body, &[OTHER]);
        }
        check("[]", &[]);
        let flood = format!("[{}]", vec!["{}"; 1_000].join(","));
        assert_eq!(directives(flood.as_bytes()).len(), REPORTS_PER_REQUEST_MAX);
        let most = format!("[{}]", vec!["{}"; REPORTS_PER_REQUEST_MAX].join(","));
        assert_eq!(directives(most.as_bytes()).len(), REPORTS_PER_REQUEST_MAX);
    }
}
