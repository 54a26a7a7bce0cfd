//! Ray: its dashboard's API, which runs jobs for whoever it answers.

use serde_json::Value;

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, judge_json};

static KIND: Kind = Kind {
    id: "ray",
    name: "the Ray dashboard",
    holds: Holds::Control,
    advice: "Let the dashboard listen on loopback (--dashboard-host 127.0.0.1) and set RAY_AUTH_MODE=token: whoever reaches it runs code.",
};

const VERSION: Probe = Probe { ask: Ask::Get("/api/version"), judge };

/// Port 8265.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[8_265],
    tls: false,
    expected: VERSION,
    recognised: VERSION,
    is_sign: |heard| is_page(heard, |page| page.text().contains("<title>Ray Dashboard</title>")),
};

fn judge(heard: &Heard<'_>) -> Judged {
    judge_json(heard, &KIND, is_answer, "It answered an API call without a token.")
}

fn is_answer(body: &Value) -> bool {
    body["ray_version"].is_string() && body["version"].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn what_it_answers() {
        for (answer, expected) in [
            (
                page(
                    200,
                    "",
                    r#"{"version":"4","ray_version":"2.9.0","ray_commit":"x","session_name":"s"}"#,
                ),
                "open",
            ),
            (page(200, "", r#"{"version":"4"}"#), "other"),
            (page(401, "", r#""#), "guarded"),
            (page(404, "", r#""#), "other"),
        ] {
            check(judge, answer.as_bytes(), expected);
        }
    }
}
