//! Sign-in at another provider, and at its hostile twin.

mod double;
mod hostile;

use std::time::Duration;

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::principal::Class;
use surgewall_core::role::Role;
use surgewall_core::secret::SecretString;
use surgewall_identity::oidc::{
    Callback, Flow, Grant, OidcError, Proven, Provider, ProviderConfig,
};

use double::{CLIENT, Double, SECRET, SUBJECT, Signs};

const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const REDIRECT: &str = "http://localhost:7070/sign-in/oidc/double";

/// A provider's double and the door's side of it, at one clock.
struct Scene {
    double: Double,
    provider: Provider,
    clock: ManualClock,
}

fn config(issuer: &str) -> ProviderConfig {
    let grant = |of: &str, role, class| Grant { of: of.to_owned(), role, group: None, class };
    ProviderConfig {
        name: "double".into(),
        issuer: issuer.to_owned(),
        client_id: CLIENT.into(),
        client_secret: Some(SecretString::new(SECRET.into())),
        scopes: vec!["email".into(), "profile".into()],
        domains: Vec::new(),
        groups_any: Vec::new(),
        groups_claim: "groups".into(),
        grants: vec![
            grant("door-admins", Some(Role::Admin), None),
            grant("*", Some(Role::User), Some(Class::Verified)),
        ],
        authority: None,
    }
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut ProviderConfig)) -> Self {
        let clock = ManualClock::new(START);
        let double = Double::start(START.seconds()).await;
        let mut config = config(&double.issuer);
        change(&mut config);
        let provider = Provider::new(config).unwrap();
        Self { double, provider, clock }
    }

    fn now(&self) -> Timestamp {
        Clock::Manual(self.clock.clone()).now()
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.double.says().now_s += by.as_secs();
    }

    /// Begins, and comes back with a code and the state.
    async fn there_and_back(&self) -> Result<(Flow, String, String), OidcError> {
        let (url, flow) = self.provider.begin(REDIRECT, self.now()).await?;
        let (code, state) = self.double.consent(&url);
        assert_eq!(state, flow.state());
        Ok((flow, code, state))
    }

    async fn sign_in(&self) -> Result<Proven, OidcError> {
        let (flow, code, state) = self.there_and_back().await?;
        self.finish(flow, &state, &code).await
    }

    async fn finish(&self, flow: Flow, state: &str, code: &str) -> Result<Proven, OidcError> {
        let iss = Some(self.double.issuer.as_str());
        let callback = Callback { state, code: Some(code), iss, error: None };
        self.provider.finish(flow, &callback, self.now()).await
    }
}

#[tokio::test]
async fn a_person_signs_in_and_gets_what_their_groups_grant() {
    let scene = Scene::new().await;
    let expected = Proven {
        issuer: scene.double.issuer.clone(),
        subject: SUBJECT.into(),
        email: Some("jane@example.org".into()),
        name: Some("Jane".into()),
        groups: vec!["staff".into(), "door-admins".into()],
        role: Some(Role::Admin),
        group: None,
        class: Some(Class::Verified),
    };
    for signs in [Signs::Es256, Signs::Rs256] {
        scene.double.says().signs = signs;
        assert_eq!(scene.sign_in().await, Ok(expected.clone()), "{signs:?}");
    }
    assert_eq!(scene.double.asked("/jwks"), 1, "keys are kept");
    assert_eq!(scene.double.asked("/userinfo"), 0, "the token said all that was needed");
}

#[tokio::test]
async fn a_flow_that_was_kept_as_text_goes_on_and_does_not_show_its_secrets() {
    let scene = Scene::new().await;
    let (flow, code, state) = scene.there_and_back().await.unwrap();
    let text = serde_json::to_string(&flow).unwrap();
    let shown = format!("{flow:?}");
    for secret in serde_json::from_str::<serde_json::Value>(&text).unwrap().as_object().unwrap() {
        if ["state", "nonce", "verifier"].contains(&secret.0.as_str()) {
            assert!(!shown.contains(secret.1.as_str().unwrap()), "{shown}");
        }
    }
    let flow: Flow = serde_json::from_str(&text).unwrap();
    assert!(scene.finish(flow, &state, &code).await.is_ok());
}

#[tokio::test]
async fn an_address_counts_only_if_the_provider_verified_it() {
    let scene = Scene::new().await;
    scene.double.says().claims = Box::new(|claims| claims["email_verified"] = false.into());
    assert_eq!(scene.sign_in().await.unwrap().email, None);
}

#[tokio::test]
async fn domains_and_groups_let_in_or_do_not() {
    let let_in = |domains: &[&str], groups: &[&str]| {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (domains, groups) = (texts(domains), texts(groups));
        async move {
            let scene = Scene::with(|config| {
                config.domains = domains;
                config.groups_any = groups;
            })
            .await;
            match scene.sign_in().await {
                Ok(_) => true,
                Err(OidcError::NotAllowed(_)) => false,
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    assert!(let_in(&["Example.ORG"], &[]).await);
    assert!(!let_in(&["example.com"], &[]).await);
    assert!(let_in(&[], &["other", "staff"]).await);
    assert!(!let_in(&["example.org"], &["other"]).await);
}

#[tokio::test]
async fn what_the_token_lacks_is_asked_for_with_it() {
    let scene = Scene::new().await;
    let bare = |claims: &mut serde_json::Value| {
        for claim in ["email", "email_verified", "name", "groups"] {
            claims.as_object_mut().unwrap().remove(claim);
        }
    };
    scene.double.says().claims = Box::new(bare);
    scene.double.says().user_info = serde_json::json!({
        "sub": SUBJECT, "email": "j@example.org", "email_verified": true, "groups": ["door-admins"],
    });
    let proven = scene.sign_in().await.unwrap();
    assert_eq!(proven.email.as_deref(), Some("j@example.org"));
    assert_eq!(proven.role, Some(Role::Admin));
    // Another person's information is nobody's.
    scene.double.says().user_info["sub"] = "somebody-else".into();
    assert!(matches!(scene.sign_in().await, Err(OidcError::Refused(_))));
}

#[tokio::test]
async fn keys_that_were_exchanged_are_fetched_once_a_minute_at_most() {
    let scene = Scene::new().await;
    scene.sign_in().await.unwrap();
    scene.double.says().kid = "key-2".into();
    assert!(matches!(scene.sign_in().await, Err(OidcError::Refused(_))), "too soon to look again");
    assert_eq!(scene.double.asked("/jwks"), 1);
    scene.advance(Duration::from_secs(60));
    scene.sign_in().await.unwrap();
    assert_eq!(scene.double.asked("/jwks"), 2);
    // Keys that are named and not published are looked for, and not with every token.
    scene.advance(Duration::from_secs(60));
    scene.double.says().header = Box::new(|header| header["kid"] = "key-3".into());
    for _ in 0..5 {
        assert!(matches!(scene.sign_in().await, Err(OidcError::Refused(_))));
    }
    assert_eq!(scene.double.asked("/jwks"), 3);
    assert_eq!(scene.double.asked("/.well-known/openid-configuration"), 1);
    scene.double.says().header = Box::new(|_| ());
    scene.advance(Duration::from_secs(3_600));
    scene.sign_in().await.unwrap();
    assert_eq!(scene.double.asked("/.well-known/openid-configuration"), 2);
}
