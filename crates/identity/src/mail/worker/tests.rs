//! How letters travel: to a mail server in this process, guarded or not, at once or after a while.

use surgewall_core::clock::Timestamp;
use surgewall_core::secret::SecretString;

use super::sink::{Line, Manner, Sink};
use super::*;
use crate::mail::{Letter, MailConfig, MailCounts, MailSecurity, Mailer};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn config(sink: &Sink, security: MailSecurity) -> MailConfig {
    MailConfig {
        host: "localhost".into(),
        port: Some(sink.port),
        security,
        credentials: Some(("door".into(), SecretString::new("mail secret".into()))),
        from: "Surgewall <door@example.org>".into(),
        service: "Surgewall".into(),
        authority: Some(sink.certificate.clone().into_bytes()),
    }
}

/// Sends sign-in codes to these addresses and waits until each is sent or given up.
async fn send_all(config: &MailConfig, addresses: &[&str]) -> MailCounts {
    let (mailer, mut worker) = Mailer::new(config).unwrap();
    worker.retry_first = Duration::from_millis(1);
    let code = SecretString::new("01234567".into());
    for to in addresses {
        mailer.send(to, &Letter::SignInCode { code: &code }, NOW).unwrap();
    }
    let counters = Arc::clone(&worker.counters);
    drop(mailer);
    worker.run().await;
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    MailCounts {
        sent: read(&counters.sent),
        failed: read(&counters.failed),
        ..MailCounts::default()
    }
}

fn counts(sent: u64, failed: u64) -> MailCounts {
    MailCounts { sent, failed, ..MailCounts::default() }
}

#[tokio::test]
async fn a_letter_arrives_over_every_kind_of_line() {
    let lines = [
        (Line::Clear, MailSecurity::Clear, false),
        (Line::StartTls, MailSecurity::StartTls, true),
        (Line::Tls, MailSecurity::Tls, true),
    ];
    for (line, security, is_guarded) in lines {
        let sink = Sink::start(line, Manner::Takes).await;
        assert_eq!(
            send_all(&config(&sink, security), &["a@example.org"]).await,
            counts(1, 0),
            "{line:?}"
        );
        let letters = sink.letters();
        let [letter] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!(letter.is_guarded, is_guarded, "{line:?}");
        assert_eq!(letter.hello, "example.org");
        assert!(letter.from.contains("<door@example.org>"), "{letter:?}");
        assert_eq!(letter.to, ["TO:<a@example.org>"]);
        // PLAIN: no other identity, the user, the password.
        assert_eq!(letter.login.as_deref(), Some("PLAIN AGRvb3IAbWFpbCBzZWNyZXQ="));
        assert!(letter.text.contains("Subject: Your code for Surgewall\r\n"), "{}", letter.text);
        assert!(letter.text.contains("    0123 4567\r\n"), "{}", letter.text);
    }
}

#[tokio::test]
async fn nothing_is_said_on_a_line_that_cannot_be_guarded() {
    // A server without STARTTLS, as somebody on the way would have it.
    let sink = Sink::start(Line::Clear, Manner::Takes).await;
    let config_of = |sink: &Sink| config(sink, MailSecurity::StartTls);
    assert_eq!(send_all(&config_of(&sink), &["a@example.org"]).await, counts(0, 1));
    assert!(sink.letters().is_empty());
    assert_eq!(sink.connections(), 1, "this does not pass: no further attempt");
    // A certificate of somebody else's.
    let other = Sink::start(Line::StartTls, Manner::Takes).await;
    for (line, security) in
        [(Line::StartTls, MailSecurity::StartTls), (Line::Tls, MailSecurity::Tls)]
    {
        let sink = Sink::start(line, Manner::Takes).await;
        let mut config = config(&sink, security);
        config.authority = Some(other.certificate.clone().into_bytes());
        assert_eq!(send_all(&config, &["a@example.org"]).await, counts(0, 1), "{line:?}");
        assert!(sink.letters().is_empty(), "{line:?}");
    }
}

#[tokio::test]
async fn a_fault_that_may_pass_is_tried_again_and_one_that_does_not_is_not() {
    let tries = usize::try_from(ATTEMPTS_MAX).unwrap();
    let cases = [
        (Manner::IsBusyFor(tries - 1), counts(1, 0), tries),
        (Manner::IsBusyFor(tries), counts(0, 1), tries),
        (Manner::HangsUpOn(tries - 1), counts(1, 0), tries),
        (Manner::HangsUpOn(tries), counts(0, 1), tries),
        (Manner::RefusesForGood, counts(0, 1), 1),
    ];
    for (manner, expected, connections) in cases {
        let sink = Sink::start(Line::Clear, manner).await;
        let done = send_all(&config(&sink, MailSecurity::Clear), &["a@example.org"]).await;
        assert_eq!((done, sink.connections()), (expected, connections), "{manner:?}");
    }
}

#[tokio::test]
async fn each_letter_goes_to_one_address_and_all_arrive() {
    let sink = Sink::start(Line::Clear, Manner::Takes).await;
    let addresses: Vec<String> = (0..20).map(|number| format!("a{number}@example.org")).collect();
    let listed: Vec<&str> = addresses.iter().map(String::as_str).collect();
    assert_eq!(send_all(&config(&sink, MailSecurity::Clear), &listed).await, counts(20, 0));
    let mut arrived: Vec<String> = sink
        .letters()
        .into_iter()
        .map(|letter| {
            let [to] = letter.to.as_slice() else { panic!("{letter:?}") };
            to.trim_start_matches("TO:<").trim_end_matches('>').to_owned()
        })
        .collect();
    arrived.sort();
    let mut expected = addresses.clone();
    expected.sort();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn codes_of_people_go_before_those_of_sign_ups() {
    let sink = Sink::start(Line::Clear, Manner::Takes).await;
    let (mailer, worker) = Mailer::new(&config(&sink, MailSecurity::Clear)).unwrap();
    let code = SecretString::new("01234567".into());
    for number in 0..40 {
        mailer
            .send(&format!("new{number}@example.org"), &Letter::SignUpCode { code: &code }, NOW)
            .unwrap();
    }
    mailer.send("known@example.org", &Letter::SignInCode { code: &code }, NOW).unwrap();
    drop(mailer);
    worker.run().await;
    let letters = sink.letters();
    assert_eq!(letters.len(), 41);
    let place = letters.iter().position(|letter| letter.to == ["TO:<known@example.org>"]);
    assert!(place.is_some_and(|place| place < AT_ONCE_MAX), "{place:?}");
}
