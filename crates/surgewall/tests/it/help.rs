//! The words of the command line: help, and how it is told that it was used wrongly.

use crate::site::Site;

#[test]
fn help_is_the_same_as_it_was() {
    let site = Site::new();
    for words in [
        &["--help"][..],
        &["serve", "--help"],
        &["init", "--help"],
        &["status", "--help"],
        &["status", "serve", "--help"],
        &["admin", "--help"],
        &["admin", "user", "create", "--help"],
        &["admin", "user", "limit", "--help"],
        &["admin", "key", "create", "--help"],
        &["admin", "key", "import", "--help"],
        &["admin", "finding", "--help"],
        &["admin", "finding", "list", "--help"],
        &["admin", "finding", "acknowledge", "--help"],
        &["admin", "status", "--help"],
        &["admin", "status", "note", "--help"],
        &["admin", "status", "maintenance", "--help"],
        &["admin", "gate", "--help"],
        &["admin", "import", "--help"],
        &["admin", "import", "rules", "--help"],
        &["admin", "vault", "erase", "--help"],
        &["check", "--help"],
        &["check", "exposure", "--help"],
        &["check", "provider", "--help"],
        &["check", "ledger", "--help"],
        &["drill", "--help"],
        &["drill", "deepseek", "--help"],
        &["drill", "load", "--help"],
        &["report", "usage", "--help"],
        &["report", "incident", "--help"],
        &["report", "user", "--help"],
    ] {
        let name = format!("help_{}", words[..words.len() - 1].join("_"));
        insta::assert_snapshot!(name, site.shown(words));
    }
}

#[test]
fn bad_usage_is_status_2() {
    let site = Site::new();
    for (name, words) in [
        ("usage_no_command", &[][..]),
        ("usage_unknown_command", &["swerve"]),
        ("usage_unknown_option", &["serve", "--prot", "1"]),
        ("usage_no_name", &["admin", "key", "create"]),
        ("usage_bad_class", &["admin", "user", "create", "--email", "a@b.c", "--class", "old"]),
        ("usage_bad_network", &["admin", "key", "create", "--name", "a", "--networks", "here"]),
        ("usage_bad_state", &["admin", "finding", "list", "--state", "old"]),
        ("usage_no_end_user", &["admin", "user", "limit", "--key", "a"]),
        (
            "usage_two_hashes",
            &[
                "admin", "key", "create", "--name", "a", "--sha256", "x", "--bcrypt", "y",
                "--prefix", "z",
            ],
        ),
        ("usage_bad_public_name", &["init", "--public-name", "https://x"]),
        ("usage_bad_multiple", &["drill", "load", "--multiple", "21"]),
        ("usage_nobody", &["report", "user"]),
        ("usage_two_people", &["report", "user", "a@b.c", "--user", "d"]),
        ("usage_bad_target", &["check", "exposure", "h", "redis://user:secret@db.example.org"]),
        ("usage_bad_since", &["report", "usage", "--by", "key", "--since", "then"]),
    ] {
        let output = site.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
        insta::assert_snapshot!(name, site.shown(words));
    }
}
