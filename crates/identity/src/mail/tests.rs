//! What becomes a letter, and what the mailer refuses. How letters travel is tested from outside.

use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Network;

use super::*;

const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn config() -> MailConfig {
    MailConfig {
        host: "localhost".into(),
        port: None,
        security: MailSecurity::Clear,
        credentials: None,
        from: "Surgewall <door@example.org>".into(),
        service: "Surgewall".into(),
        authority: None,
    }
}

fn mailer() -> (Mailer, MailWorker) {
    Mailer::new(&config()).unwrap()
}

fn code() -> SecretString {
    SecretString::new("01234567".into())
}

#[test]
fn letters_say_what_they_are() {
    let (code, url) = (code(), SecretString::new("https://chat.example.org/reset/TOKEN".into()));
    let network = Network::of([203, 0, 113, 7].into());
    let user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let changed = |what| Letter::Changed { what, at: START };
    let letters = [
        Letter::SignUpCode { code: &code },
        Letter::AddressInUse { sign_in: "https://chat.example.org/sign-in" },
        Letter::SignInCode { code: &code },
        Letter::ChangeEmailCode { code: &code },
        Letter::ResetLink { url: &url },
        Letter::NewSignIn { at: START, user_agent, network },
        changed(Changed::Password),
        changed(Changed::Email),
        changed(Changed::PasskeyAdded),
        changed(Changed::PasskeyRemoved),
        changed(Changed::PasskeyCloned),
        changed(Changed::TotpOn),
        changed(Changed::TotpOff),
        changed(Changed::RecoveryCodesMade),
        changed(Changed::RecoveryCodeUsed),
        Letter::KeyFound { last_four: Some("a1B2"), revoked: true, at: START },
        Letter::KeyFound { last_four: None, revoked: false, at: START },
        Letter::YourTurn { url: &url, until: START },
    ];
    let all: Vec<String> = letters
        .iter()
        .map(|letter| {
            let (subject, text) = letter.written("Surgewall");
            assert!(text.lines().all(|line| line.chars().count() <= 78), "{text}");
            format!("Subject: {subject}\n\n{text}")
        })
        .collect();
    insta::assert_snapshot!(all.join("\n================\n\n"));
}

#[test]
fn a_browser_is_told_in_our_own_words() {
    let cases = [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1",
            "Safari on an iPhone",
        ),
        ("curl/8.9", "an unknown browser"),
        ("Visit https://evil.example to secure your account! Linux", "an unknown browser on Linux"),
        ("", "an unknown browser"),
    ];
    for (user_agent, expected) in cases {
        assert_eq!(browser(user_agent), expected, "{user_agent}");
    }
}

#[test]
fn nothing_that_is_typed_becomes_a_header() {
    let (mailer, _worker) = mailer();
    let long = format!("{}@example.org", "a".repeat(ADDRESS_BYTES_MAX - 11));
    let refused = [
        "",
        "nobody",
        "@example.org",
        "a@",
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org\nBcc: b@example.org",
        "a@example.org,b@example.org",
        "A <a@example.org>",
        "<a@example.org>",
        "\"a b\"@example.org",
        "a b@example.org",
        "a@exam ple.org",
        "a(comment)@example.org",
        "a@[127.0.0.1]",
        &long,
    ];
    for to in refused {
        assert_eq!(
            mailer.send(to, &Letter::SignInCode { code: &code() }, START),
            Err(MailError::Address),
            "{to:?}"
        );
    }
    let count = u64::try_from(refused.len()).unwrap();
    assert_eq!(mailer.counts(), MailCounts { refused: count, ..MailCounts::default() });
    for to in ["a@example.org", "A.b+c@sub.example.org", "jürgen@example.org"] {
        assert_eq!(mailer.send(to, &Letter::SignInCode { code: &code() }, START), Ok(()), "{to:?}");
    }
}

#[test]
fn a_message_has_its_headers_and_no_more() {
    let (mailer, _worker) = mailer();
    let to = parse_address("a@example.org").unwrap();
    let message = mailer.message(to, &Letter::SignInCode { code: &code() }, START).unwrap();
    let text = String::from_utf8(message.formatted()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut names: Vec<&str> = head.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    names.sort_unstable();
    let expected = [
        "Auto-Submitted",
        "Content-Transfer-Encoding",
        "Content-Type",
        "Date",
        "From",
        "Message-ID",
        "Subject",
        "To",
    ];
    assert_eq!(names, expected, "{head}");
    assert!(head.contains("From: Surgewall <door@example.org>\r\n"), "{head}");
    assert!(head.contains("To: a@example.org\r\n"), "{head}");
    assert!(head.contains("Date: Mon, 21 Sep 2026 14:13:20 +0000"), "{head}");
    assert!(head.contains("@example.org>\r\n"), "{head}");
    assert!(body.contains("0123 4567"), "{body}");
}

#[test]
fn a_letter_to_a_subscriber_ends_in_one_click() {
    let (mailer, _worker) = mailer();
    let link = |page: &str| SecretString::new(format!("https://a.example/status/{page}?token=T"));
    let (url, unsubscribe) = (link("confirm"), link("unsubscribe"));
    let confirm = Letter::StatusConfirm { page: "Example", url: &url, unsubscribe: &unsubscribe };
    let update = Letter::StatusUpdate { subject: "s", text: "t", unsubscribe: &unsubscribe };
    for letter in [confirm, update] {
        let to = parse_address("a@example.org").unwrap();
        let message = mailer.message(to, &letter, START).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let link = "List-Unsubscribe: <https://a.example/status/unsubscribe?token=T>\r\n";
        assert!(head.contains(link), "{head}");
        assert!(head.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{head}");
        let (_, words) = letter.written("Surgewall");
        assert!(words.contains("    https://a.example/status/unsubscribe?token=T\n"), "{words}");
        assert!(letter.can_wait());
    }
    assert!(confirm.is_asked_by_strangers() && !update.is_asked_by_strangers());
}

#[test]
fn the_queue_is_bounded_and_sign_ups_have_their_own_half() {
    let (mailer, worker) = mailer();
    let code = code();
    let sign_up = Letter::SignUpCode { code: &code };
    for number in 0..QUEUE_MAX {
        assert_eq!(mailer.send(&format!("a{number}@example.org"), &sign_up, START), Ok(()));
    }
    assert_eq!(mailer.send("b@example.org", &sign_up, START), Err(MailError::Full));
    assert_eq!(mailer.send("b@example.org", &Letter::SignInCode { code: &code }, START), Ok(()));
    let expected = MailCounts { refused: 1, waiting: QUEUE_MAX + 1, ..MailCounts::default() };
    assert_eq!(mailer.counts(), expected);
    drop(worker);
    assert_eq!(
        mailer.send("c@example.org", &Letter::SignInCode { code: &code }, START),
        Err(MailError::Full)
    );
}

#[test]
fn strangers_cannot_fill_a_mailbox_and_notices_come_all_the_same() {
    let (mailer, _worker) = mailer();
    let code = code();
    for _ in 0..PER_ADDRESS_MAX {
        assert_eq!(
            mailer.send("a@example.org", &Letter::SignUpCode { code: &code }, START),
            Ok(())
        );
    }
    let again = [Letter::SignUpCode { code: &code }, Letter::AddressInUse { sign_in: "https://x" }];
    for letter in again {
        assert_eq!(mailer.send("a@example.org", &letter, START), Err(MailError::TooMany));
    }
    // Sign-ups take nothing from what a person needs to get in again.
    for _ in 0..PER_ADDRESS_MAX {
        let letter = Letter::ResetLink { url: &code };
        assert_eq!(mailer.send("a@example.org", &letter, START), Ok(()));
    }
    let letter = Letter::SignInCode { code: &code };
    assert_eq!(mailer.send("a@example.org", &letter, START), Err(MailError::TooMany));
    let notice = Letter::Changed { what: Changed::Password, at: START };
    assert_eq!(mailer.send("a@example.org", &notice, START), Ok(()));
}

#[test]
fn a_letter_that_is_not_sent_gives_its_place_back_and_counts() {
    let (mailer, _worker) = mailer();
    let url = code();
    let letter = Letter::ResetLink { url: &url };
    for _ in 0..PER_ADDRESS_MAX {
        let reserved = mailer.reserve("a@example.org", &letter, START).unwrap();
        assert_eq!(mailer.counts().waiting, 1);
        drop(reserved);
        assert_eq!(mailer.counts().waiting, 0);
    }
    assert_eq!(mailer.send("a@example.org", &letter, START), Err(MailError::TooMany));
    mailer.reserve("b@example.org", &letter, START).unwrap().send();
    assert_eq!(mailer.counts().waiting, 1);
}

#[test]
fn a_sender_is_configured_safely_or_not_at_all() {
    type Change = fn(&mut MailConfig);
    let cases: [(Change, bool); 10] = [
        (|_| (), true),
        (|config| config.host = "127.0.0.1".into(), true),
        (|config| config.host = "mail.example.org".into(), false),
        (
            |config| {
                config.host = "mail.example.org".into();
                config.security = MailSecurity::StartTls;
            },
            true,
        ),
        (
            |config| {
                config.host = "mail.example.org".into();
                config.security = MailSecurity::Tls;
            },
            true,
        ),
        (|config| config.from = "nobody".into(), false),
        (|config| config.from = "A\r\nBcc: <b@example.org>".into(), false),
        (|config| config.service = "A\nB".into(), false),
        (|config| config.service = String::new(), false),
        (
            |config| {
                config.security = MailSecurity::Tls;
                config.authority = Some(b"nothing".to_vec());
            },
            false,
        ),
    ];
    for (at, (change, is_one)) in cases.into_iter().enumerate() {
        let mut config = config();
        change(&mut config);
        let made = Mailer::new(&config);
        assert_eq!(made.is_ok(), is_one, "{at}: {:?}", made.err());
    }
}
