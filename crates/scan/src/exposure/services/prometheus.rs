//! Prometheus: its API, which answers every query of whoever it answers at all.

use serde_json::Value;

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, judge_json};

static KIND: Kind = Kind {
    id: "prometheus",
    name: "Prometheus",
    holds: Holds::Data,
    advice: "Set basic_auth_users in --web.config.file, and let it listen on loopback (--web.listen-address).",
};

const BUILD: Probe = Probe { ask: Ask::Get("/api/v1/status/buildinfo"), judge };

/// Port 9090.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[9_090],
    tls: false,
    expected: BUILD,
    recognised: BUILD,
    is_sign: |heard| {
        is_page(heard, |page| {
            let location = page.header_text("location");
            page.status == 302 && (location.ends_with("/graph") || location.ends_with("/query"))
        })
    },
};

fn judge(heard: &Heard<'_>) -> Judged {
    judge_json(heard, &KIND, is_answer, "It answered an API call without a login.")
}

fn is_answer(body: &Value) -> bool {
    body["status"] == "success"
        && body["data"]["version"].is_string()
        && body["data"]["goVersion"].is_string()
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
                    r#"{"status":"success","data":{"version":"2.42.0","goVersion":"go1.19"}}"#,
                ),
                "open",
            ),
            (page(200, "", r#"{"status":"success","data":{}}"#), "other"),
            (page(401, "", r#"Unauthorized"#), "guarded"),
            (page(404, "", r#""#), "other"),
        ] {
            check(judge, answer.as_bytes(), expected);
        }
    }
}
