//! Other systems' keys: by SHA-256, by bcrypt, and many at once.

use std::time::Instant;

use surgewall_core::digest::{hex, sha256};
use surgewall_core::refusal::CredentialFault;
use surgewall_store::admin::{
    Foreign, IMPORT_KEYS_MAX, KeyCreate, KeyImport, Named, Reply, Request,
};
use surgewall_store::directory::{BCRYPT_CANDIDATES_MAX, BCRYPT_PREFIX_LENGTHS_MAX};

use crate::accounts::{Desk, key_named, named};

/// As cheap as bcrypt gets.
const COST: u32 = 4;

fn by_sha256(name: &str, credential: &str) -> KeyCreate {
    let foreign = Some(Foreign::Sha256(hex(&sha256(credential.as_bytes())).to_uppercase()));
    KeyCreate { foreign, ..key_named(name) }
}

fn by_bcrypt(name: &str, credential: &str, prefix: &str) -> KeyCreate {
    let hash = bcrypt::non_truncating_hash(credential, COST).unwrap();
    let foreign = Some(Foreign::Bcrypt { hash, prefix: prefix.to_owned() });
    KeyCreate { foreign, ..key_named(name) }
}

fn import(keys: Vec<KeyCreate>) -> Request {
    Request::KeyImport(KeyImport { keys, ..KeyImport::default() })
}

#[tokio::test]
async fn a_key_known_by_its_sha256_works_as_it_is() {
    let desk = Desk::new().await;
    let reply = desk.ask(Request::KeyCreate(by_sha256("old", "sk-old-secret-1"))).await.unwrap();
    assert!(matches!(reply, Reply::KeyCreated { key: None, .. }));
    let desk = desk.restart().await;
    assert_eq!(desk.find("sk-old-secret-1").await.unwrap().name, "old");
    assert_eq!(desk.find("sk-old-secret-2").await.unwrap_err(), CredentialFault::Unknown);
    // The hash itself is no credential.
    let hash = hex(&sha256(b"sk-old-secret-1"));
    assert_eq!(desk.find(&hash).await.unwrap_err(), CredentialFault::Unknown);
    let text = desk.refused(Request::KeyCreate(by_sha256("again", "sk-old-secret-1"))).await;
    assert!(text.contains("known already"), "{text}");
}

#[tokio::test]
async fn a_bcrypt_key_is_compared_once_and_then_found_by_its_whole_hash() {
    let desk = Desk::new().await;
    let credential = "sk-team-abcdefgh";
    desk.ask(Request::KeyCreate(by_bcrypt("b", credential, "sk-team-"))).await.unwrap();
    let now = desk.now();
    assert_eq!(
        desk.directory.find_key_at_once(credential, now).unwrap_err(),
        CredentialFault::Unknown
    );
    assert_eq!(desk.find(credential).await.unwrap().name, "b");
    assert_eq!(desk.directory.find_key_at_once(credential, now).unwrap().name, "b");
    // Whoever shares a long beginning with a verified credential is nobody (CVE-2026-35030).
    for other in ["sk-team-abcdefgX", "sk-team-abcdefghX", "sk-team-abcdefg", "sk-team-", "sk-t"] {
        for _ in 0..2 {
            assert_eq!(desk.find(other).await.unwrap_err(), CredentialFault::Unknown, "{other}");
        }
    }
    // A credential that was refused works as soon as its key is made.
    desk.ask(Request::KeyCreate(by_bcrypt("x", "sk-team-abcdefgX", "sk-team-"))).await.unwrap();
    assert_eq!(desk.find("sk-team-abcdefgX").await.unwrap().name, "x");

    desk.ask(Request::KeyRevoke(named("b"))).await.unwrap();
    assert_eq!(desk.find(credential).await.unwrap_err(), CredentialFault::Revoked);
    let desk = desk.restart().await;
    assert_eq!(desk.find(credential).await.unwrap_err(), CredentialFault::Unknown);
    assert_eq!(desk.find("sk-team-abcdefgX").await.unwrap().name, "x");
}

#[tokio::test]
async fn bcrypt_never_sees_a_credential_that_it_would_cut() {
    let desk = Desk::new().await;
    let credential = format!("sk-long-{}", "a".repeat(63));
    desk.ask(Request::KeyCreate(by_bcrypt("l", &credential, "sk-long-"))).await.unwrap();
    assert_eq!(desk.find(&credential).await.unwrap().name, "l", "71 bytes fit");
    for more in ["a", "aa", "ab"] {
        let longer = format!("{credential}{more}");
        assert_eq!(desk.find(&longer).await.unwrap_err(), CredentialFault::Unknown);
    }
}

#[tokio::test]
async fn what_one_wrong_credential_can_cost_is_bounded() {
    let desk = Desk::new().await;
    for n in 0..BCRYPT_CANDIDATES_MAX {
        let key = by_bcrypt(&format!("k{n}"), &format!("sk-same-{n}"), "sk-same-");
        desk.ask(Request::KeyCreate(key)).await.unwrap();
    }
    let text = desk.refused(Request::KeyCreate(by_bcrypt("k9", "sk-same-9", "sk-same-"))).await;
    assert!(text.contains("8 bcrypt keys") && text.contains("longer prefixes"), "{text}");
    desk.ask(Request::KeyRevoke(named("k0"))).await.unwrap();
    desk.ask(Request::KeyCreate(by_bcrypt("k9", "sk-same-9", "sk-same-"))).await.unwrap();

    for n in 1..BCRYPT_PREFIX_LENGTHS_MAX {
        let credential = format!("sk-other-{n}-abcdefgh");
        let key = by_bcrypt(&format!("o{n}"), &credential, &credential[..8 + n]);
        desk.ask(Request::KeyCreate(key)).await.unwrap();
        assert!(desk.find(&credential).await.is_ok());
    }
    let text =
        desk.refused(Request::KeyCreate(by_bcrypt("p", "sk-more-abcdefgh", "sk-more-abcd"))).await;
    assert!(text.contains("4 different lengths"), "{text}");

    let keys: Vec<_> =
        (0..9).map(|n| by_bcrypt(&format!("i{n}"), &format!("sk-imp0-{n}"), "sk-imp0-")).collect();
    let text = desk.refused(import(keys)).await;
    assert!(text.contains("key 9 of the import"), "{text}");
    assert_eq!(desk.find("sk-imp0-1").await.unwrap_err(), CredentialFault::Unknown);

    let costly = "$2b$15$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    let foreign = Foreign::Bcrypt { hash: costly.to_owned(), prefix: "sk-12345".to_owned() };
    let key = KeyCreate { foreign: Some(foreign), ..key_named("costly") };
    assert!(desk.refused(Request::KeyCreate(key)).await.contains("cost 15"));
}

#[tokio::test]
async fn ten_thousand_keys_are_taken_over_at_once() {
    let desk = Desk::new().await;
    desk.user("ann@example.org").await;
    let account = Some("ann@example.org".to_owned());
    let mut keys: Vec<_> = (0..IMPORT_KEYS_MAX)
        .map(|n| KeyCreate {
            account: account.clone(),
            ..by_sha256(&format!("k{n}"), &format!("sk-old-{n}"))
        })
        .collect();
    keys.push(by_sha256("one more", "sk-one-more"));
    let text = desk.refused(import(keys.clone())).await;
    assert!(text.contains("1 to 10000"), "{text}");
    keys.pop();

    let begun = Instant::now();
    let reply = desk.ask(import(keys.clone())).await.unwrap();
    let import_s = begun.elapsed().as_secs_f64();
    assert!(matches!(reply, Reply::Imported { keys: IMPORT_KEYS_MAX }));
    assert!(import_s < 60.0, "10,000 keys took {import_s} s");
    assert_eq!(desk.records().last().unwrap().0, "key.import.done");
    assert_eq!(desk.find("sk-old-9999").await.unwrap().name, "k9999");

    // All or none: one that is known spoils the rest.
    let again = vec![by_sha256("new", "sk-new"), by_sha256("old", "sk-old-5")];
    let text = desk.refused(import(again)).await;
    assert!(text.contains("known already"), "{text}");
    assert_eq!(desk.find("sk-new").await.unwrap_err(), CredentialFault::Unknown);
    assert_eq!(desk.records().last().unwrap().0, "key.import.failed");

    let begun = Instant::now();
    let desk = desk.restart().await;
    let load_s = begun.elapsed().as_secs_f64();
    println!("import of 10,000 keys: {import_s:.2} s; load: {load_s:.2} s");
    assert_eq!(desk.directory.sizes().keys, IMPORT_KEYS_MAX);
    assert_eq!(desk.find("sk-old-0").await.unwrap().name, "k0");
    assert!(desk.ask(Request::KeyShow(Named { name: "k77".to_owned() })).await.is_ok());
}
