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
fn a_bar_is_named_to_the_operator_only() {
    let found = [DataClass::Secret].into_iter().collect();
    for (found, says) in [(found, "(secret)"), (ClassSet::EMPTY, "no requests")] {
        let refusal = Refusal::Barred { rule: "rule_x".into(), found };
        let text = refusal.public_text();
        assert!(text.contains(says) && !text.contains("rule_x"), "{text}");
        assert_eq!((refusal.rule(), refusal.row().code), (Some("rule_x"), "barred"));
    }
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
