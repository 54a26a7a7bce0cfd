//! What a hostile provider, a hostile browser, or somebody between them may try.

use std::time::Duration;

use serde_json::{Value, json};
use surgewall_identity::oidc::{
    Callback, FLOW_MAX, OidcError, PARAMETER_BYTES_MAX, Provider, RESPONSE_BYTES_MAX,
};

use super::double::{CLIENT, Signs};
use super::{REDIRECT, START, Scene, config};

type Case = (&'static str, &'static str, fn(&mut Value));

/// Signs in with something changed; what is told of the refusal.
async fn refused(scene: &Scene, what: &str) -> String {
    let (flow, code, state) = scene.there_and_back().await.unwrap();
    match scene.finish(flow, &state, &code).await {
        Err(OidcError::Refused(why)) => {
            assert!(!why.contains(&code) && !why.contains("an-access-token"), "{what}: {why}");
            assert!(!why.contains(['\n', '\r']), "{what}: {why}");
            why
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn a_token_holds_in_every_claim_or_not_at_all() {
    let cases: [Case; 14] = [
        ("another issuer", "issuer", |claims| claims["iss"] = "https://evil.example".into()),
        ("an issuer that only looks alike", "issuer", |claims| {
            claims["iss"] = format!("{}/", claims["iss"].as_str().unwrap()).into();
        }),
        ("no issuer", "", |claims| drop(claims.as_object_mut().unwrap().remove("iss"))),
        ("another audience", "audience", |claims| claims["aud"] = "another".into()),
        ("one audience too many", "audience", |claims| claims["aud"] = json!([CLIENT, "another"])),
        ("another party", "another client", |claims| claims["azp"] = "another".into()),
        ("another nonce", "nonce", |claims| claims["nonce"] = "another".into()),
        ("no nonce", "nonce", |claims| drop(claims.as_object_mut().unwrap().remove("nonce"))),
        ("an end in the past", "xpired", |claims| claims["exp"] = (START.seconds()).into()),
        ("issued long ago", "issued", |claims| claims["iat"] = (START.seconds() - 601).into()),
        ("issued in the future", "issued", |claims| {
            claims["iat"] = (START.seconds() + 601).into();
            claims["exp"] = (START.seconds() + 900).into();
        }),
        ("no subject", "", |claims| drop(claims.as_object_mut().unwrap().remove("sub"))),
        ("an empty subject", "subject", |claims| claims["sub"] = "".into()),
        ("a long subject", "subject", |claims| claims["sub"] = "s".repeat(257).into()),
    ];
    let scene = Scene::new().await;
    for (what, expected, change) in cases {
        scene.double.says().claims = Box::new(change);
        let why = refused(&scene, what).await;
        assert!(why.to_lowercase().contains(expected), "{what}: {why}");
    }
    scene.double.says().claims = Box::new(|claims| {
        claims["azp"] = CLIENT.into();
        claims["iat"] = (START.seconds() - 600).into();
        claims["sub"] = "s".repeat(256).into();
    });
    assert!(scene.sign_in().await.is_ok(), "all of it at its limit");
}

#[tokio::test]
async fn a_signature_is_the_providers_own() {
    let scene = Scene::new().await;
    for signs in [Signs::None, Signs::PublicKeyAsSecret, Signs::ClientSecret, Signs::Forger] {
        scene.double.says().signs = signs;
        let why = refused(&scene, &format!("{signs:?}")).await;
        assert!(why.contains("ignature"), "{signs:?}: {why}");
    }
    scene.double.says().signs = Signs::Es256;
    let cases: [Case; 4] = [
        ("what is critical and not understood", "critical", |header| header["crit"] = json!(["x"])),
        ("another type", "type", |header| header["typ"] = "at+jwt".into()),
        ("another algorithm than the key's", "", |header| header["alg"] = "RS256".into()),
        ("an algorithm that nobody knows", "", |header| header["alg"] = "HS1024".into()),
    ];
    for (what, expected, change) in cases {
        scene.double.says().header = Box::new(change);
        let why = refused(&scene, what).await;
        assert!(why.contains(expected), "{what}: {why}");
    }
}

#[tokio::test]
async fn an_answer_of_the_token_endpoint_is_one() {
    let cases: [Case; 5] = [
        ("no identity token", "no identity token", |answer| {
            drop(answer.as_object_mut().unwrap().remove("id_token"));
        }),
        ("a token of two parts", "", |answer| answer["id_token"] = "e30.e30".into()),
        ("a token of no base64", "", |answer| answer["id_token"] = "!.!.!".into()),
        ("an encrypted token", "", |answer| {
            answer["id_token"] =
                "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.e30.e30.e30.e30".into()
        }),
        ("no object", "", |answer| *answer = json!([])),
    ];
    let scene = Scene::new().await;
    for (what, expected, change) in cases {
        scene.double.says().answer = Box::new(change);
        let why = refused(&scene, what).await;
        assert!(why.contains(expected), "{what}: {why}");
    }
    // A token that would break the header of the next request.
    scene.double.says().claims =
        Box::new(|claims| drop(claims.as_object_mut().unwrap().remove("email")));
    scene.double.says().answer = Box::new(|answer| answer["access_token"] = "a\r\nb: c".into());
    let why = refused(&scene, "line breaks in the access token").await;
    assert_eq!(why, "an access token that is none");
}

#[tokio::test]
async fn a_code_works_once_and_only_with_its_flow() {
    let scene = Scene::new().await;
    let (flow, code, state) = scene.there_and_back().await.unwrap();
    assert!(scene.finish(flow.clone(), &state, &code).await.is_ok());
    assert!(matches!(scene.finish(flow, &state, &code).await, Err(OidcError::Refused(_))));
    // A code that somebody else's browser was given: its challenge is another.
    let (_, stolen, _) = scene.there_and_back().await.unwrap();
    let (flow, _, state) = scene.there_and_back().await.unwrap();
    assert!(matches!(scene.finish(flow, &state, &stolen).await, Err(OidcError::Refused(_))));
}

#[tokio::test]
async fn an_answer_belongs_to_its_flow_and_says_its_issuer() {
    let scene = Scene::new().await;
    let other = Scene::new().await;
    let (flow, code, state) = scene.there_and_back().await.unwrap();
    let issuer = scene.double.issuer.as_str();
    let long = "c".repeat(PARAMETER_BYTES_MAX + 1);
    let good = Callback { state: &state, code: Some(&code), iss: Some(issuer), error: None };
    let cases = [
        ("another state", Callback { state: "another", ..good }),
        ("no state", Callback { state: "", ..good }),
        ("another issuer", Callback { iss: Some(&other.double.issuer), ..good }),
        ("no issuer", Callback { iss: None, ..good }),
        ("no code", Callback { code: None, ..good }),
        ("an empty code", Callback { code: Some(""), ..good }),
        ("a long code", Callback { code: Some(&long), ..good }),
    ];
    for (what, callback) in cases {
        let result = scene.provider.finish(flow.clone(), &callback, scene.now()).await;
        assert!(matches!(result, Err(OidcError::Mismatch(_))), "{what}: {result:?}");
    }
    // The mix-up: the code of one provider is brought to the other's address.
    let result = other.provider.finish(flow.clone(), &good, scene.now()).await;
    assert!(matches!(result, Err(OidcError::Mismatch(_))), "{result:?}");
    assert_eq!((scene.double.asked("/token"), other.double.asked("/token")), (0, 0));
    let denied = Callback { error: Some("access_denied\r\nx"), ..good };
    let result = scene.provider.finish(flow.clone(), &denied, scene.now()).await;
    assert_eq!(result, Err(OidcError::Denied("access_denied  x".into())));
    assert!(scene.provider.finish(flow, &good, scene.now()).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_does_not_announce_the_parameter_need_not_send_it() {
    let scene = Scene::new().await;
    scene.double.says().metadata = Box::new(|metadata| {
        let member = "authorization_response_iss_parameter_supported";
        drop(metadata.as_object_mut().unwrap().remove(member));
    });
    let (flow, code, state) = scene.there_and_back().await.unwrap();
    let callback = Callback { state: &state, code: Some(&code), iss: None, error: None };
    assert!(scene.provider.finish(flow.clone(), &callback, scene.now()).await.is_ok());
    let wrong = Callback { iss: Some("https://evil.example"), ..callback };
    let result = scene.provider.finish(flow, &wrong, scene.now()).await;
    assert!(matches!(result, Err(OidcError::Mismatch(_))), "what it sends is its own all the same");
}

#[tokio::test]
async fn a_flow_ends_after_ten_minutes() {
    let scene = Scene::new().await;
    let (flow, code, state) = scene.there_and_back().await.unwrap();
    scene.advance(FLOW_MAX - Duration::from_secs(1));
    assert!(scene.finish(flow, &state, &code).await.is_ok());
    let (flow, code, state) = scene.there_and_back().await.unwrap();
    scene.advance(FLOW_MAX);
    assert_eq!(scene.finish(flow, &state, &code).await, Err(OidcError::Expired));
}

#[tokio::test]
async fn metadata_is_the_issuers_own_and_leads_to_no_open_line() {
    let cases: [Case; 4] = [
        ("another issuer", "issuer", |metadata| metadata["issuer"] = "https://evil.example".into()),
        ("no issuer", "issuer", |metadata| {
            drop(metadata.as_object_mut().unwrap().remove("issuer"))
        }),
        ("a sign-in page in clear", "not https", |metadata| {
            metadata["authorization_endpoint"] = "http://id.example/authorize".into();
        }),
        ("keys in clear", "not https", |metadata| {
            metadata["jwks_uri"] = "http://id.example/jwks".into()
        }),
    ];
    for (what, expected, change) in cases {
        let scene = Scene::new().await;
        scene.double.says().metadata = Box::new(change);
        match scene.provider.begin(REDIRECT, scene.now()).await {
            Err(OidcError::Unreachable(why)) => assert!(why.contains(expected), "{what}: {why}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    let scene = Scene::new().await;
    scene.double.says().metadata =
        Box::new(|metadata| metadata["token_endpoint"] = "http://id.example/token".into());
    let result = scene.sign_in().await;
    assert!(matches!(result, Err(OidcError::Unreachable(_))), "{result:?}");
}

#[tokio::test]
async fn answers_are_bounded_and_redirects_lead_nowhere() {
    for (bytes, is_read) in [(RESPONSE_BYTES_MAX, true), (RESPONSE_BYTES_MAX + 1, false)] {
        let scene = Scene::new().await;
        scene.double.says().metadata_bytes = bytes;
        assert_eq!(scene.provider.begin(REDIRECT, scene.now()).await.is_ok(), is_read, "{bytes}");
    }
    let scene = Scene::new().await;
    scene.double.says().redirects = true;
    assert!(matches!(
        scene.provider.begin(REDIRECT, scene.now()).await,
        Err(OidcError::Unreachable(_))
    ));
    assert_eq!(scene.double.asked("/elsewhere"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_left_and_not_asked_again_at_once() {
    let scene = Scene::new().await;
    scene.double.says().hangs = true;
    let error = scene.provider.begin(REDIRECT, scene.now()).await.err();
    assert!(matches!(error, Some(OidcError::Unreachable(_))), "{error:?}");
    let asked = || scene.double.asked("/.well-known/openid-configuration");
    let before = asked();
    for _ in 0..20 {
        assert_eq!(scene.provider.begin(REDIRECT, scene.now()).await.err(), error);
    }
    assert_eq!(asked(), before, "the failure is everybody's for a while");
}

#[tokio::test]
async fn a_provider_that_is_back_is_found() {
    let scene = Scene::new().await;
    scene.double.says().redirects = true;
    assert!(scene.provider.begin(REDIRECT, scene.now()).await.is_err());
    scene.double.says().redirects = false;
    assert!(scene.provider.begin(REDIRECT, scene.now()).await.is_err(), "not yet");
    scene.advance(Duration::from_secs(5));
    assert!(scene.provider.begin(REDIRECT, scene.now()).await.is_ok());
}

#[test]
fn a_provider_is_configured_with_an_address_that_nobody_can_listen_to() {
    for (issuer, is_one) in [
        ("https://id.example.org", true),
        ("http://localhost:9000", true),
        ("http://id.example.org", false),
        ("id.example.org", false),
        ("", false),
    ] {
        assert_eq!(Provider::new(config(issuer)).is_ok(), is_one, "{issuer}");
    }
    let mut bad = config("https://id.example.org");
    bad.authority = Some(b"no certificate".to_vec());
    assert!(matches!(Provider::new(bad), Err(OidcError::Setup(_))));
}
