//! Every refusal to start, with its words.

use crate::site::{ANY_PORTS, Site, chmod};

/// What `serve` says when it refuses; it must say it with status 2 and nothing on stdout.
fn refused(site: &Site) -> String {
    let shown = site.shown(&["serve"]);
    assert!(shown.contains("\nexit status 2\n----- stdout\n----- stderr\n"), "{shown}");
    // Log lines begin with their time.
    let lines = shown.lines().filter(|line| !line.starts_with("20"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn configurations_that_cannot_be_meant() {
    let price = "[prices.\"m\"]\ninput_per_million = \"1\"\noutput_per_million = \"1\"\ncurrency = \"USD\"\nsource = \"x\"\ndate = \"2026-01-01\"\n";
    for (name, config) in [
        ("unknown_key", "[listen]\npublic = \"127.0.0.1:0\"\npublik = 1\n".to_owned()),
        ("no_toml", "[listen\n".to_owned()),
        ("public_without_tls", "[listen]\npublic = \"0.0.0.0:7070\"\n".to_owned()),
        ("admin_beyond_loopback", "[listen]\nadmin = \"0.0.0.0:7071\"\n".to_owned()),
        ("bad_address", "[listen]\npublic = \"localhost\"\n".to_owned()),
        ("unpriced_quota", format!("{price}[[upstream]]\nname = \"u\"\nurl = \"http://127.0.0.1:1/v1\"\nmodels = [\"m\", \"n\"]\n[[limits.quota]]\nper = \"key\"\nlimit = \"money=1/1d\"\n")),
        ("credential_unset", "[[upstream]]\nname = \"u\"\nurl = \"http://127.0.0.1:1/v1\"\napi_key = { env = \"NOT_SET\" }\n".to_owned()),
    ] {
        let site = Site::with(&config);
        insta::assert_snapshot!(format!("refused_{name}"), refused(&site));
        assert!(!site.path("surgewall-data").exists(), "{name}: nothing is made");
    }
}

#[cfg(not(feature = "otel"))]
#[test]
fn traces_in_a_build_without_them() {
    let site = Site::with("[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\n");
    insta::assert_snapshot!("refused_traces_not_built", refused(&site));
}

#[test]
fn weak_and_exposed_credentials() {
    let config = "[[upstream]]\nname = \"u\"\nurl = \"http://127.0.0.1:1/v1\"\napi_key = { file = \"key\" }\n";
    let site = Site::with(config);
    for (name, secret, mode) in
        [("empty", "", 0o600), ("weak", "1234", 0o600), ("world_readable", "12345678", 0o644)]
    {
        site.write("key", secret);
        chmod(&site.path("key"), mode);
        insta::assert_snapshot!(format!("refused_credential_{name}"), refused(&site));
    }
}

#[test]
fn a_config_that_is_named_must_be_there() {
    let site = Site::new();
    insta::assert_snapshot!(
        "refused_no_config",
        site.shown(&["serve", "--config", "nowhere.toml"])
    );
}

#[test]
fn master_keys() {
    let site = Site::with(ANY_PORTS);
    site.stdout(&["admin", "group", "create", "--name", "g"], 0);
    let key = site.master_key();
    chmod(&key, 0o644);
    insta::assert_snapshot!("refused_key_exposed", refused(&site));
    chmod(&key, 0o600);
    let kept = site.path("kept");
    std::fs::rename(&key, &kept).unwrap();
    std::fs::rename(key.with_extension("accounts"), site.path("kept.accounts")).unwrap();
    insta::assert_snapshot!("refused_key_missing", refused(&site));
    std::fs::copy(&kept, site.path("surgewall-data/master.key")).unwrap();
    site.write(
        "surgewall.toml",
        &format!("{ANY_PORTS}[vault]\nkey_file = \"surgewall-data/master.key\"\n"),
    );
    insta::assert_snapshot!("refused_key_inside", refused(&site));
    site.write("surgewall.toml", &format!("{ANY_PORTS}[vault]\nkey_file = \"kept\"\n"));
    assert!(site.serve(&[]).line.starts_with("ready "));
}

#[test]
fn data_directories() {
    let site = Site::with(ANY_PORTS);
    std::fs::create_dir(site.path("surgewall-data")).unwrap();
    site.write("surgewall-data/letter.txt", "not ours");
    insta::assert_snapshot!("refused_foreign", refused(&site));
    let site = Site::with(ANY_PORTS);
    site.stdout(&["admin", "group", "create", "--name", "g"], 0);
    let store = site.path("surgewall-data/store");
    let mut bytes = surgewall_core::files::read_bounded(&store, 1 << 10).unwrap();
    bytes[8] = 99;
    std::fs::write(&store, bytes).unwrap();
    let shown = refused(&site);
    assert!(shown.contains("newer Surgewall") || shown.contains("damaged"), "{shown}");
}

#[test]
fn a_newer_schema() {
    let site = Site::with(ANY_PORTS);
    site.stdout(&["admin", "group", "create", "--name", "g"], 0);
    let database = site.path("surgewall-data/door.sqlite");
    let mut bytes = surgewall_core::files::read_bounded(&database, 16 << 20).unwrap();
    // SQLite's header holds the user version at 60, big-endian.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&database, bytes).unwrap();
    insta::assert_snapshot!("refused_newer_schema", refused(&site));
}

#[test]
fn a_taken_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let site = Site::with(&ANY_PORTS.replace("127.0.0.1:0", &address));
    insta::assert_snapshot!("refused_taken_port", refused(&site).replace(&address, "[ADDRESS]"));
}

#[test]
fn a_stored_money_limit_whose_price_is_gone() {
    let price = "[prices.\"*\"]\ninput_per_million = \"1\"\noutput_per_million = \"1\"\ncurrency = \"USD\"\nsource = \"x\"\ndate = \"2026-01-01\"\n";
    let site = Site::with(&format!("{ANY_PORTS}{price}"));
    site.stdout(&["admin", "key", "create", "--name", "a", "--limit", "money=5.00/30d"], 0);
    site.write("surgewall.toml", ANY_PORTS);
    insta::assert_snapshot!("refused_stored_unpriced", refused(&site));
    assert!(site.stdout(&["check", "config"], 1).contains("has no price"));
}
