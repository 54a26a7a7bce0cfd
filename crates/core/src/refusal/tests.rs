//! Rows and words of refusals.

use super::*;
use crate::data::DataClass;

#[test]
fn overload_has_each_dialects_own_status() {
    let row = Refusal::Draining.row();
    assert_eq!((row.status, row.status_anthropic), (503, 529));
    assert_eq!(Refusal::ModelUnknown.row().status_anthropic, 404);
}

#[test]
fn the_stranger_learns_nothing_of_why_a_credential_failed() {
    let texts: Vec<_> = [CredentialFault::Unknown, CredentialFault::Revoked]
        .map(|why| Refusal::CredentialInvalid { why }.public_text())
        .into();
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn a_residency_rule_is_named_to_the_operator_and_what_was_found_to_the_caller() {
    let found = [DataClass::Email, DataClass::Card].into_iter().collect();
    let refusal = Refusal::Residency { rule: "eu-only".into(), found };
    assert!(refusal.public_text().contains("(email, card)"), "{}", refusal.public_text());
    assert!(!refusal.public_text().contains("eu-only") && refusal.to_string().contains("eu-only"));
    assert_eq!((refusal.rule(), Refusal::ModelUnknown.rule()), (Some("eu-only"), None));
    let whose = Refusal::Residency { rule: "eu-only".into(), found: ClassSet::EMPTY };
    assert!(whose.public_text().starts_with("Your requests"));
}

#[test]
fn a_quota_says_whose_it_is() {
    let refusal = Refusal::QuotaExceeded {
        scope: "group",
        meter: Meter::TotalTokens,
        max: 1000,
        window_s: 86_400,
        retry_after: Some(Duration::from_secs(60)),
    };
    assert_eq!(
        refusal.public_text(),
        "Your group has 1000 tokens per 1d, and this request does not fit. See Retry-After."
    );
}
