//! Where keys are looked for, and in which forms they are read.

use surgewall_core::random;

use super::*;

#[test]
fn the_default_place_follows_xdg() {
    let id = Uuid::from_u128(7);
    let place = |xdg, home| default_key_file(id, xdg, home).ok();
    let name = format!("surgewall/{id}.key");
    assert_eq!(place(Some("/x"), Some("/h")), Some(Path::new("/x").join(&name)));
    assert_eq!(place(None, Some("/h")), Some(Path::new("/h/.config").join(&name)));
    assert_eq!(place(Some("rel"), Some("/h")), Some(Path::new("/h/.config").join(&name)));
    assert_eq!(place(Some(""), None), None);
}

#[test]
fn the_accounts_file_lies_beside_the_key() {
    let names = [("a/master.key", "a/master.accounts"), ("a/kept", "a/kept.accounts")];
    for (key, accounts) in names.into_iter().chain([("x.accounts", "x.accounts.accounts")]) {
        assert_eq!(accounts_beside(Path::new(key)), Path::new(accounts));
    }
}

#[test]
fn a_credential_is_used_where_there_is_one() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().to_str();
    let id = Uuid::from_u128(7);
    let place = || usual(default_key_file(id, Some("/x"), None).unwrap(), directory);
    let default = place();
    assert!(default.keeper == Keeper::Door && default.key.starts_with("/x"));
    fs::write(base.path().join(CREDENTIAL), "").unwrap();
    let credential = place();
    assert!(credential.keeper == Keeper::Systemd && credential.key.starts_with(base.path()));
    let accounts = format!("/x/surgewall/{}.accounts", Uuid::from_u128(7));
    assert_eq!(credential.accounts, Path::new(&accounts));
    assert_eq!(default.accounts, credential.accounts);
}

#[test]
fn hex_is_exactly_64_digits() {
    let hex = "0f".repeat(32);
    assert_eq!(decode_hex(&hex).unwrap().expose(), &[0x0f; 32]);
    for bad in [&hex[..63], &format!("{hex}0"), &"0g".repeat(32), &"é".repeat(32)] {
        assert!(decode_hex(bad).is_none());
    }
}

#[test]
fn a_command_may_print_a_key_in_every_usual_form() {
    let store = Uuid::from_u128(7);
    let (one, two): ([u8; 32], [u8; 32]) = (random::bytes(), random::bytes());
    let (one, two) = (Secret::new(one), Secret::new(two));
    let file = encode(store, &[&one, &two]);
    let lines: Vec<&str> = file.lines().collect();
    let (hex, base64) = (lines[1].to_owned(), STANDARD.encode(two.expose()));
    let of = |text: &str| {
        let words = ["/bin/echo".to_owned(), text.to_owned()];
        let keys = printed(&words, store);
        keys.map(|keys| keys.iter().map(|key| *key.expose()).collect::<Vec<_>>())
    };
    let (one, two) = (*one.expose(), *two.expose());
    for (text, expected) in [
        (file.to_string(), vec![two, one]),
        (STANDARD.encode(file.as_bytes()), vec![two, one]),
        (hex.clone(), vec![one]),
        (base64.clone(), vec![two]),
        (format!("{hex}\r\n{base64}\n"), vec![two, one]),
    ] {
        assert_eq!(of(&text).unwrap(), expected);
    }
    let weak = "ab".repeat(32);
    for (text, why) in [
        ("", "printed no master key"),
        ("hello", "printed no master key"),
        (&hex[..62], "printed no master key"),
        (&format!("{hex}\n{hex}\n{hex}"), "printed no master key"),
        (lines[0], "printed no master key"),
        (&weak, "printed a weak master key"),
    ] {
        let error = of(text).unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains(&hex), "{error}");
    }
    let other = encode(Uuid::from_u128(8), &[&Secret::new(one)]);
    assert!(matches!(of(&other), Err(VaultError::WrongKey { .. })));
}
