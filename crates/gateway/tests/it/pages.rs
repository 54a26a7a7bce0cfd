//! The pages' files and heads, on the real listeners.

use http::Method;
use serde_json::json;
use surgewall_gateway::pages::{assets, headers};
use surgewall_testkit::client::Client;
use surgewall_testkit::{Behaviour, Double};

use crate::harness::{TestDoor, upstream};

async fn door() -> (Double, TestDoor) {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    (double, door)
}

#[tokio::test]
async fn the_front_page_is_the_chat_with_its_heads() {
    let (_double, door) = door().await;
    let page = door.stranger().get("/").await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.text().contains(assets::path("chat.js")), "{}", page.text());
    for (name, value) in [
        ("content-security-policy", headers::CSP_SCRIPTED),
        ("content-type", "text/html; charset=utf-8"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
        ("reporting-endpoints", "csp=\"/app/csp-report\""),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let etag = page.header("etag").unwrap().to_owned();
    let again = door.stranger().with_header("if-none-match", &etag).get("/").await.unwrap();
    assert_eq!((again.status, again.body.len()), (304, 0));
    // What a page may do is said anew each time.
    assert_eq!(again.header("content-security-policy"), Some(headers::CSP_SCRIPTED));
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn files_are_kept_for_good_and_come_compressed() {
    let (_double, door) = door().await;
    let path = assets::path("chat.js");
    let plain = door.stranger().get(path).await.unwrap();
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(plain.header("content-encoding"), None);
    for encoding in ["br", "gzip"] {
        let packed =
            door.stranger().with_header("accept-encoding", encoding).get(path).await.unwrap();
        assert_eq!(packed.header("content-encoding"), Some(encoding));
        assert!(packed.body.len() < plain.body.len() / 2, "{encoding}");
    }
    for path in
        ["/app/static/", "/app/static/index.html", "/app/static/chat.js", "/app/static/..%2f"]
    {
        assert_eq!(door.stranger().get(path).await.unwrap().status, 404, "{path}");
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn reports_are_counted_and_bounded() {
    let (_double, door) = door().await;
    let report = json!([{"type": "csp-violation", "body": {"effectiveDirective": "img-src"}}]);
    assert_eq!(door.stranger().post(headers::REPORT_PATH, &report).await.unwrap().status, 204);
    let flood = vec![b'['; 1 << 20];
    let answer = door.stranger().whole(Method::POST, headers::REPORT_PATH, flood.into()).await;
    // The rest of a body that is too long may not be read at all.
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 204));
    let metrics = Client::new(&door.admin_url).get("/metrics").await.unwrap().text();
    for line in [
        "surgewall_csp_reports_total{directive=\"img-src\"} 1",
        "surgewall_csp_reports_total{directive=\"other\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    door.stop().await.check_conservation();
}
