//! MLflow: its experiments. Of them nothing is kept but that they are listed.

use serde_json::Value;

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, judge_json};

static KIND: Kind = Kind {
    id: "mlflow",
    name: "MLflow",
    holds: Holds::Data,
    advice: "Start it with --app-name basic-auth and let it listen on loopback.",
};

const SEARCH: Probe =
    Probe { ask: Ask::Get("/api/2.0/mlflow/experiments/search?max_results=1"), judge };

/// Port 5000.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[5_000],
    tls: false,
    expected: SEARCH,
    recognised: SEARCH,
    is_sign: |heard| is_page(heard, |page| page.text().contains("<title>MLflow</title>")),
};

fn judge(heard: &Heard<'_>) -> Judged {
    judge_json(heard, &KIND, is_answer, "It lists its experiments without a login.")
}

fn is_answer(body: &Value) -> bool {
    body["experiments"].is_array()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn what_it_answers() {
        for (answer, expected) in [
            (page(200, "", r#"{"experiments":[{"experiment_id":"0","name":"Default"}]}"#), "open"),
            (page(200, "", r#"{}"#), "other"),
            (page(401, "", r#""#), "guarded"),
            (page(404, "", r#""#), "other"),
        ] {
            check(judge, answer.as_bytes(), expected);
        }
    }
}
