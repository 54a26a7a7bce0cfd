//! What a configuration means when it is loaded.

use super::*;

fn policy(public: &str) -> Policy {
    let text = format!("[listen]\npublic=\"{public}\"\nbehind_proxy=[\"192.0.2.0/24\"]\n");
    let config = surgewall_core::config::parse("test.toml", &text).unwrap();
    Policy::new(config, &text, None, Timestamp::from_millis(0)).unwrap()
}

#[test]
fn a_reload_does_not_pretend_that_the_listeners_moved() {
    let before = policy("192.0.2.1:443");
    let mut after = policy("127.0.0.1:443");
    assert!(after.handbook_for_all && after.answers_strangers());
    after.stay_at(&before);
    assert!(!after.handbook_for_all && !after.answers_strangers());
    assert_eq!(after.config.listen.public, before.config.listen.public);
}

#[test]
fn an_operators_rules_hold_or_are_refused_with_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.toml");
    let load = |rules: &str| {
        std::fs::write(&path, rules).unwrap();
        let text = format!("[data]\nrules_file={path:?}\n");
        let config = surgewall_core::config::parse("test.toml", &text).unwrap();
        Policy::new(config, &text, None, Timestamp::from_millis(0))
    };
    let rule = |value: &str| {
        format!(
            "# ours\n[[rule]]\nid = \"acme\"\nclass = \"secret\"\ndescription = \"x\"\n\
             keywords = [\"acme_\"]\nvalue = '{value}'\n"
        )
    };
    let policy = load(&rule("acme_[0-9]{6}")).unwrap();
    let classes = |text: &str| policy.classifier.as_ref().unwrap().classes(text).to_string();
    assert_eq!(classes("is acme_123456 it"), "secret");
    assert_eq!(classes("ann@example.org"), "email");
    for (rules, expected) in [
        (rule("acme_[0-9]+"), "own.toml:3: rule `acme`: value: "),
        ("[[rule]]\nid =\n".to_owned(), "line 2"),
    ] {
        let error = load(&rules).err().unwrap().to_string();
        assert!(error.starts_with("data.rules_file: ") && error.contains(expected), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    let config =
        surgewall_core::config::parse("t.toml", &format!("[data]\nrules_file={path:?}")).unwrap();
    assert!(Policy::new(config, "", None, Timestamp::from_millis(0)).is_err());
}
