//! Passkey ceremonies with a device in software: what is accepted, and each thing that is not.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use surgewall_core::clock::Timestamp;
use surgewall_identity::passkey::{
    Again, CEREMONY_MAX, PASSKEYS_MAX, PasskeyError, PasskeyUser, Passkeys, RESPONSE_BYTES_MAX,
    Registration, SignIn, StoredPasskey, UserHandle,
};

use crate::authenticator::Device;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const PUBLIC: &str = "http://localhost:7070";
const ADMIN: &str = "http://localhost:7071";

fn passkeys() -> Passkeys {
    Passkeys::new("Surgewall", &[PUBLIC, ADMIN]).unwrap()
}

fn user(handle: UserHandle) -> PasskeyUser<'static> {
    PasskeyUser { handle, name: "a@example.org", display_name: "A" }
}

/// A device with a passkey, and that passkey as it is stored.
fn registered(passkeys: &Passkeys) -> (Device, StoredPasskey) {
    let mut device = Device::new(PUBLIC);
    let (options, begun) =
        passkeys.begin_registration(&user(UserHandle::random()), &[], NOW).unwrap();
    let stored = passkeys.finish_registration(&begun, &device.create(&options), NOW).unwrap();
    (device, stored)
}

fn refused<T>(result: Result<T, PasskeyError>) -> String {
    result.err().expect("it is refused").why().to_owned()
}

#[test]
fn a_passkey_signs_in_without_a_name() {
    let passkeys = passkeys();
    let (device, stored) = registered(&passkeys);
    let (options, begun) = passkeys.begin_sign_in(NOW).unwrap();
    assert_eq!(options["publicKey"]["allowCredentials"], serde_json::json!([]));
    assert_eq!(options["publicKey"]["userVerification"], "required");
    assert_eq!(options.get("mediation"), None);
    let response = device.get(&options);
    let presented = passkeys.presented(&response).unwrap();
    assert_eq!(presented.credential, stored.credential());
    assert_eq!(presented.user, stored.user());
    let used = passkeys.finish_sign_in(begun, &response, &stored, NOW).unwrap();
    assert_eq!(used.credential, device.id);
    assert!(used.updated.is_none(), "its counter did not move");
}

#[test]
fn a_new_passkey_is_discoverable_verified_and_unattested() {
    let passkeys = passkeys();
    let (_, first) = registered(&passkeys);
    let handle = UserHandle::random();
    let (options, _) =
        passkeys.begin_registration(&user(handle), std::slice::from_ref(&first), NOW).unwrap();
    let options = &options["publicKey"];
    let selection = &options["authenticatorSelection"];
    assert_eq!(selection["residentKey"], "required");
    assert_eq!(selection["requireResidentKey"], true);
    assert_eq!(selection["userVerification"], "required");
    assert_eq!(options["attestation"], "none");
    assert_eq!(options["rp"]["id"], "localhost");
    assert_eq!(options["rp"]["name"], "Surgewall");
    let excluded = crate::authenticator::text(first.credential());
    assert_eq!(options["excludeCredentials"][0]["id"], excluded);
    let id = crate::authenticator::text(&handle.as_u128().to_be_bytes());
    assert_eq!(options["user"]["id"], id);
    let many = vec![first; PASSKEYS_MAX];
    assert!(passkeys.begin_registration(&user(handle), &many[1..], NOW).is_ok());
    let error = passkeys.begin_registration(&user(handle), &many, NOW);
    assert!(matches!(error, Err(PasskeyError::TooMany { max: PASSKEYS_MAX })));
}

#[test]
fn the_other_listener_is_the_same_party_and_another_origin_is_not() {
    let passkeys = passkeys();
    let (mut device, stored) = registered(&passkeys);
    let mut sign_in = |origin: &str, rp_id: Option<&str>| {
        device.origin = origin.to_owned();
        device.rp_id = rp_id.map(str::to_owned);
        let (options, begun) = passkeys.begin_sign_in(NOW).unwrap();
        passkeys.finish_sign_in(begun, &device.get(&options), &stored, NOW)
    };
    assert!(sign_in(ADMIN, None).is_ok());
    for origin in
        ["http://localhost:7072", "https://localhost:7070", "http://localhost.evil.example:7070"]
    {
        let why = refused(sign_in(origin, None));
        assert!(why.contains("origin"), "{origin}: {why}");
    }
    let why = refused(sign_in(PUBLIC, Some("evil.example")));
    assert!(why.contains("relying party id hash"), "{why}");
}

#[test]
fn a_counter_that_goes_back_is_a_clone() {
    let passkeys = passkeys();
    let (mut device, mut stored) = registered(&passkeys);
    let mut sign_in = |counter: u32, stored: &StoredPasskey| {
        device.counter = counter;
        let (options, begun) = passkeys.begin_sign_in(NOW).unwrap();
        passkeys.finish_sign_in(begun, &device.get(&options), stored, NOW)
    };
    stored = sign_in(5, &stored).unwrap().updated.expect("a counter that moved is stored");
    for counter in [5, 4, 0] {
        assert!(matches!(sign_in(counter, &stored), Err(PasskeyError::Cloned)), "{counter}");
    }
    assert!(sign_in(6, &stored).is_ok());
}

#[test]
fn the_person_is_verified_each_time() {
    let passkeys = passkeys();
    let (mut device, stored) = registered(&passkeys);
    device.verifies = false;
    let (options, begun) = passkeys.begin_sign_in(NOW).unwrap();
    let result = passkeys.finish_sign_in(begun, &device.get(&options), &stored, NOW);
    assert!(matches!(result, Err(PasskeyError::Unverified)));
    let (options, begun) =
        passkeys.begin_registration(&user(UserHandle::random()), &[], NOW).unwrap();
    let result = passkeys.finish_registration(&begun, &device.create(&options), NOW);
    assert!(matches!(result, Err(PasskeyError::Unverified)));
}

#[test]
fn a_challenge_is_for_one_ceremony_and_for_five_minutes() {
    let passkeys = passkeys();
    let (device, stored) = registered(&passkeys);
    let (options, begun) = passkeys.begin_sign_in(NOW).unwrap();
    let (_, other) = passkeys.begin_sign_in(NOW).unwrap();
    let response = device.get(&options);
    let why = refused(passkeys.finish_sign_in(other, &response, &stored, NOW));
    assert!(why.contains("challenge"), "{why}");
    let end = NOW.plus(CEREMONY_MAX);
    let result = passkeys.finish_sign_in(begun.clone(), &response, &stored, end);
    assert!(matches!(result, Err(PasskeyError::Expired)));
    let before = NOW.plus(CEREMONY_MAX - Duration::from_millis(1));
    assert!(passkeys.finish_sign_in(begun, &response, &stored, before).is_ok());
}

#[test]
fn a_passkey_is_its_owners_and_its_own() {
    let passkeys = passkeys();
    let (mut device, stored) = registered(&passkeys);
    let (mut other, others) = registered(&passkeys);
    let (options, begun) = passkeys.begin_sign_in(NOW).unwrap();
    // The handle of one account with the passkey of another.
    let user = std::mem::replace(&mut device.user, other.user.clone());
    let why = refused(passkeys.finish_sign_in(begun.clone(), &device.get(&options), &stored, NOW));
    assert!(why.contains("another account"), "{why}");
    // The credential id of one device with the key of another.
    device.user = user;
    other.user = device.user.clone();
    other.id = device.id.clone();
    assert!(passkeys.finish_sign_in(begun.clone(), &other.get(&options), &stored, NOW).is_err());
    // The right device, judged against another's stored passkey.
    assert!(passkeys.finish_sign_in(begun, &device.get(&options), &others, NOW).is_err());
}

#[test]
fn proving_again_takes_only_the_accounts_own_passkeys() {
    let passkeys = passkeys();
    let (device, stored) = registered(&passkeys);
    let (other, others) = registered(&passkeys);
    let present = std::slice::from_ref(&stored);
    let (options, begun) = passkeys.begin_again(present, NOW).unwrap();
    let listed = &options["publicKey"]["allowCredentials"];
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    let response = device.get(&options);
    assert!(passkeys.finish_again(&begun, &response, present, NOW).is_ok());
    assert!(passkeys.finish_again(&begun, &other.get(&options), present, NOW).is_err());
    let why = refused(passkeys.finish_again(&begun, &response, &[others], NOW));
    assert!(why.contains("removed"), "{why}");
    assert!(passkeys.begin_again(&[], NOW).is_err());
}

/// What is kept between two requests goes through its text.
fn kept<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

#[test]
fn everything_that_is_kept_survives_its_text() {
    let passkeys = passkeys();
    let mut device = Device::new(ADMIN);
    let handle = UserHandle::random();
    assert_eq!(UserHandle::from_u128(handle.as_u128()), handle);
    let (options, begun) = passkeys.begin_registration(&user(handle), &[], NOW).unwrap();
    let begun: Registration = kept(&begun);
    let stored = passkeys.finish_registration(&begun, &device.create(&options), NOW).unwrap();
    let stored: StoredPasskey = kept(&stored);
    let (options, begun) = passkeys.begin_sign_in(NOW).unwrap();
    let begun: SignIn = kept(&begun);
    assert!(passkeys.finish_sign_in(begun, &device.get(&options), &stored, NOW).is_ok());
    let (options, begun) = passkeys.begin_again(std::slice::from_ref(&stored), NOW).unwrap();
    let begun: Again = kept(&begun);
    assert!(passkeys.finish_again(&begun, &device.get(&options), &[stored], NOW).is_ok());
}

#[test]
fn what_is_no_response_is_refused() {
    let passkeys = passkeys();
    let (device, stored) = registered(&passkeys);
    let (options, begun) = passkeys.begin_sign_in(NOW).unwrap();
    let response: Value = serde_json::from_slice(&device.get(&options)).unwrap();
    let mut without_user = response.clone();
    without_user["response"]["userHandle"] = Value::Null;
    let mut short = response.clone();
    short["response"]["authenticatorData"] = "AAAA".into();
    let long = format!("{response}{}", " ".repeat(RESPONSE_BYTES_MAX));
    let cases = ["", "{}", "null", &without_user.to_string(), &short.to_string(), &long];
    for text in cases {
        let result = passkeys.finish_sign_in(begun.clone(), text.as_bytes(), &stored, NOW);
        assert!(result.is_err(), "{text}");
    }
    let response = response.to_string();
    let at_limit = format!("{response}{}", " ".repeat(RESPONSE_BYTES_MAX - response.len()));
    assert!(passkeys.finish_sign_in(begun, at_limit.as_bytes(), &stored, NOW).is_ok());
}

#[test]
fn a_relying_party_is_a_host_name() {
    for (origins, is_one) in [
        (&["https://chat.example.org"][..], true),
        (&["https://example.org", "https://admin.example.org:8443"], true),
        (&["https://chat.example.org", "https://admin.example.org"], false),
        (&["https://chat.example.org", "http://localhost:7071"], false),
        (&["http://127.0.0.1:7070"], false),
        (&["localhost"], false),
        (&[], false),
    ] {
        assert_eq!(Passkeys::new("Surgewall", origins).is_ok(), is_one, "{origins:?}");
    }
}

/// Every byte of what a device sent, changed one after another: nothing that was
/// changed is accepted, and nothing panics.
#[test]
fn no_byte_of_an_answer_can_be_changed() {
    let passkeys = passkeys();
    let (device, stored) = registered(&passkeys);
    let (options, begun) = passkeys.begin_sign_in(NOW).unwrap();
    let response: Value = serde_json::from_slice(&device.get(&options)).unwrap();
    for part in ["authenticatorData", "clientDataJSON", "signature"] {
        let bytes = URL_SAFE_NO_PAD.decode(response["response"][part].as_str().unwrap()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let mut answer = response.clone();
            answer["response"][part] = URL_SAFE_NO_PAD.encode(&changed).into();
            let answer = answer.to_string();
            let result = passkeys.finish_sign_in(begun.clone(), answer.as_bytes(), &stored, NOW);
            assert!(result.is_err(), "{part} byte {at}");
        }
    }
}

#[test]
fn a_broken_registration_is_refused_and_not_more() {
    let passkeys = passkeys();
    let mut device = Device::new(PUBLIC);
    let (options, begun) =
        passkeys.begin_registration(&user(UserHandle::random()), &[], NOW).unwrap();
    let response: Value = serde_json::from_slice(&device.create(&options)).unwrap();
    let whole = response["response"]["attestationObject"].as_str().unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(whole).unwrap();
    for at in 0..bytes.len() {
        for changed in [&bytes[..at], &[&bytes[..at], &[!bytes[at]], &bytes[at + 1..]].concat()] {
            let mut answer = response.clone();
            answer["response"]["attestationObject"] = URL_SAFE_NO_PAD.encode(changed).into();
            // Without attestation, another key or id is another passkey: it may be taken.
            if let Ok(stored) =
                passkeys.finish_registration(&begun, answer.to_string().as_bytes(), NOW)
            {
                assert_eq!(stored.user(), begun_for(&begun), "byte {at}");
            }
        }
    }
}

fn begun_for(begun: &Registration) -> UserHandle {
    serde_json::from_value(serde_json::to_value(begun).unwrap()["user"].clone()).unwrap()
}
