//! `check provider` from the outside, against the model server's double.

use serde_json::Value;
use surgewall_testkit::{Behaviour, Double};

use crate::site::{ANY_PORTS, Site};

/// The page without the double's port.
fn page(site: &Site, double: &Double, words: &[&str]) -> String {
    let url = format!("{}/v1", double.url());
    let shown = site.shown(&[&["check", "provider", &url], words].concat());
    shown.replace(&double.url(), "http://[DOUBLE]")
}

/// A site whose one upstream is the double, with terms that were read.
fn declared(double: &Double) -> Site {
    Site::with(&format!(
        "{ANY_PORTS}[[upstream]]\nname = \"lab\"\nurl = \"{}/v1\"\nprovider = \"Lab\"\nlegal_entity = \"Lab Ltd\"\n\
         region = \"eu\"\nretention_days = 30\ntrains_on_data = \"no\"\nterms_source = \"https://lab.example/terms\"\n\
         terms_date = \"2020-01-01\"\n",
        double.url()
    ))
}

#[test]
fn a_provider_that_asks_for_a_key_and_one_that_does_not() {
    let guarded = Double::start(Behaviour {
        api_key: Some("planted-key".to_owned()),
        ..Behaviour::default()
    });
    let site = Site::new();
    insta::assert_snapshot!("provider_guarded", page(&site, &guarded, &[]));
    let site = declared(&guarded);
    insta::assert_snapshot!("provider_declared", page(&site, &guarded, &[]));
    let open = Double::start(Behaviour::default());
    insta::assert_snapshot!("provider_open", page(&site, &open, &[]));
    for double in [&guarded, &open] {
        for seen in double.requests() {
            assert!(seen.produced <= 1 && seen.header("authorization").is_none(), "{seen:?}");
        }
    }
    let url = format!("{}/v1", open.url());
    let json = site.stdout(&["check", "provider", &url, "--format", "json"], 1);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["routes"][0]["outcome"], "open");
    assert!(json["requests"].as_u64().is_some_and(|requests| requests <= 12), "{json}");
    assert!(json["declared"].is_null() && json["unknown"].is_array());
}

#[test]
fn an_address_that_cannot_be_meant_and_one_that_is_not_there() {
    let site = Site::new();
    insta::assert_snapshot!("provider_no_address", site.shown(&["check", "provider", "api"]));
    let secret = site.shown(&["check", "provider", "https://me:hunter2@h/v1"]);
    let told = secret.split_once("exit status").map(|(_, told)| told);
    assert!(told.is_some_and(|told| !told.contains("hunter2")), "{secret}");
    site.stdout(&["check", "provider", "http://127.0.0.1:1/v1"], 2);
}
