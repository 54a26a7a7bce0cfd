//! What `/metrics` says after real requests is what the page says it says.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use surgewall_testkit::Double;
use surgewall_testkit::client::Client;

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

/// Far longer than a second, in which admission's metrics come.
const PATIENCE: Duration = Duration::from_secs(30);

async fn metrics(door: &TestDoor) -> String {
    Client::new(&door.admin_url).get("/metrics").await.unwrap().text()
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the repository's own page is no hostile input")]
async fn the_page_names_every_metric_that_is_exported_after_a_request() {
    let double = Double::start("rate=50".parse().unwrap());
    let pool = upstream("local", &double.url(), "models=[\"double\"]\nsequences_max=1\n");
    let door = TestDoor::start(&pool).await;
    let client = door.client().await;
    let one = || async {
        let body = chat("double", "say 10", false);
        client.post("/v1/chat/completions", &body).await.unwrap().status
    };
    assert_eq!(tokio::join!(one(), one()), (200, 200), "one at once, so one waits");
    let until = async {
        let told = [
            "surgewall_admission_decisions_total{upstream=\"local\",class=\"verified\",decision=\"offered\"} 2",
            "surgewall_admission_decisions_total{upstream=\"local\",class=\"verified\",decision=\"queued\"} 1",
            "surgewall_queue_wait_seconds_count{upstream=\"local\",class=\"verified\"} 1",
            "surgewall_upstream_servers_available{upstream=\"local\"} 1",
            "surgewall_admission_observe 0",
            "surgewall_incident_open 0",
        ];
        loop {
            let text = metrics(&door).await;
            if told.iter().all(|line| text.contains(line)) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let Ok(text) = tokio::time::timeout(PATIENCE, until).await else {
        panic!("{}", metrics(&door).await)
    };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let exported: BTreeSet<_> = types
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.into() })
        .collect();
    let unknown: Vec<_> =
        exported.iter().filter(|name| !page.contains(&format!("- `{name}`:"))).collect();
    assert!(unknown.is_empty() && exported.len() > 20, "{unknown:?} of {exported:?}");
    door.stop().await.check_conservation();
}
