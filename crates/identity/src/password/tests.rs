//! Which passwords are taken, and what their hashes are.

use super::*;

static CALLS: AtomicU64 = AtomicU64::new(0);
const CONTEXT: [&str; 3] = ["margarethe.olsen@sternwarte.example", "Margarethe Olsen", "Surgewall"];

fn judge(text: &str, factors: Factors) -> Result<(), PasswordFault> {
    super::check(&SecretString::new(text.to_owned()), factors, &CONTEXT)
}

#[test]
fn lengths_hold_at_the_limit_and_one_past_it() {
    let long = |bytes: usize| "zqxj wvk ".chars().cycle().take(bytes).collect::<String>();
    let longest = format!("h7 gx#Lw2?mR9 pK{}", long(PASSWORD_BYTES_MAX - 16));
    let alone = |chars_min| Err(PasswordFault::TooShort { chars_min });
    let cases = [
        ("h7gx#Lw2?mR9pK", Factors::Alone, alone(15)),
        ("h7gx#Lw2?mR9pKv", Factors::Alone, Ok(())),
        ("h7gx#Lw", Factors::WithSecondFactor, alone(8)),
        ("h7gx#Lw2", Factors::WithSecondFactor, Ok(())),
        // Characters are counted, not bytes.
        ("жучщеъяц", Factors::WithSecondFactor, Ok(())),
        ("жучщеъя", Factors::WithSecondFactor, alone(8)),
        (&longest, Factors::Alone, Ok(())),
        (&format!("{longest}x"), Factors::Alone, Err(PasswordFault::TooLong { bytes_max: 1_024 })),
    ];
    for (text, factors, expected) in cases {
        assert_eq!(judge(text, factors), expected, "{text}");
    }
}

#[test]
fn what_anybody_would_try_first_is_refused() {
    let common = [
        "passwordpassword",
        "Passw0rdPassw0rd1",
        "qwertyuiopasdfghjkl",
        "aaaaaaaaaaaaaaaaaaaa",
        "123456789012345678",
        "abcabcabcabcabcabc",
    ];
    for text in common {
        assert_eq!(judge(text, Factors::Alone), Err(PasswordFault::Common), "{text}");
    }
    for text in ["password1", "12345678", "iloveyou!", "Dragon2024"] {
        assert_eq!(judge(text, Factors::WithSecondFactor), Err(PasswordFault::Common), "{text}");
    }
}

#[test]
fn many_signs_are_read_in_one_way_and_hide_nothing() {
    let long = "x".repeat(JUDGED_CHARS_MAX + 1);
    let cases = [
        ("Tr0ub4dor&3 5", "Tr0ub4dor&3 5"),
        ("1234567890", "1234567890"),
        ("p4$5w0rd@1!|(", "passwordaiiic"),
        ("4@8({[<369&#!1/|0$5+7%2", "aabccccegg&#ii/iosstlxz"),
        (&long, &long[1..]),
    ]
    .map(|(text, expected)| (text.to_owned(), expected.to_owned()));
    for (text, expected) in cases {
        assert_eq!(judged(&text), expected);
    }
    let weak = "p4$5w0rdp@$$w0rd1!|";
    assert_eq!(judge(weak, Factors::Alone), Err(PasswordFault::Common));
    assert_eq!(judge("4@8({[<369&#!1/|0$5+7%2", Factors::Alone), Ok(()));
}

#[test]
fn words_of_the_account_and_the_service_do_not_count() {
    let refused =
        ["margarethe.olsen@sternwarte.example", "SurgewallOlsen2024", "!!!olsen!!!margarethe!!!"];
    for text in refused {
        assert_eq!(judge(text, Factors::Alone), Err(PasswordFault::Context), "{text}");
    }
    for text in ["olsen feeds nine yellow otters", "correct horse battery staple"] {
        assert_eq!(judge(text, Factors::Alone), Ok(()), "{text}");
    }
}

/// RFC 9106 §5.3 has a key and associated data, which a PHC string cannot hold; the
/// reference implementation's test vector for Argon2id, version 19, is a plain one.
#[test]
fn argon2id_is_the_reference_implementations() {
    let stored =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let stored = StoredHash::parse(stored).unwrap();
    assert_eq!(stored.verify(&SecretString::new("password".into()), &CALLS), Some(true));
    assert_eq!(stored.verify(&SecretString::new("Password".into()), &CALLS), Some(false));
}

#[test]
fn a_hash_verifies_its_password_byte_for_byte() {
    let secret = |text: &str| SecretString::new(text.to_owned());
    let text = hash(&secret(" Grün \u{301}"), Cost::LEAST, &CALLS).unwrap();
    assert!(text.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{text}");
    let stored = StoredHash::parse(&text).unwrap();
    assert_eq!(stored.verify(&secret(" Grün \u{301}"), &CALLS), Some(true));
    for other in ["Grün \u{301}", " grün \u{301}", " Grün \u{301} ", " Gru\u{308}n \u{301}", ""]
    {
        assert_eq!(stored.verify(&secret(other), &CALLS), Some(false), "{other:?}");
    }
    assert_ne!(hash(&secret("x"), Cost::LEAST, &CALLS), hash(&secret("x"), Cost::LEAST, &CALLS));
}

#[test]
fn a_hash_is_outdated_when_any_part_of_the_cost_rose() {
    let stored = StoredHash::dummy(Cost { memory_kib: 16, passes: 2, lanes: 2 }).unwrap();
    let cases = [
        ((16, 2, 2), false),
        ((8, 1, 1), false),
        ((17, 2, 2), true),
        ((16, 3, 2), true),
        ((16, 2, 3), true),
    ];
    for ((memory_kib, passes, lanes), expected) in cases {
        assert_eq!(stored.is_below(Cost { memory_kib, passes, lanes }), expected);
    }
}

#[test]
fn a_stored_hash_is_argon2id_and_cannot_ask_for_the_machine() {
    let with =
        |head: &str| format!("{head}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    let cases = [
        ("$argon2id$v=19$m=262144,t=16,p=8", true),
        ("$argon2id$v=19$m=262145,t=16,p=8", false),
        ("$argon2id$v=19$m=262144,t=17,p=8", false),
        ("$argon2id$v=19$m=262144,t=16,p=9", false),
        ("$argon2id$v=16$m=64,t=1,p=1", false),
        ("$argon2id$m=64,t=1,p=1", false),
        ("$argon2i$v=19$m=64,t=1,p=1", false),
        ("$2b$12", false),
        ("", false),
    ];
    for (head, expected) in cases {
        assert_eq!(StoredHash::parse(&with(head)).is_some(), expected, "{head}");
    }
    assert!(StoredHash::parse("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ").is_none());
    assert!(StoredHash::parse(&with(&"$argon2id".repeat(64))).is_none());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(text in ".{0,40}", stored in ".{0,80}") {
        let _ = judge(&text, Factors::WithSecondFactor);
        let _ = StoredHash::parse(&stored);
    }
}
