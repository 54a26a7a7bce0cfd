//! What a provider says of somebody, and what the configuration makes of it.

use serde_json::{Map, Value};
use surgewall_core::principal::Class;
use surgewall_core::role::Role;

use super::{OidcError, Proven, ProviderConfig};

/// Groups of one person that are looked at.
pub const GROUPS_MAX: usize = 500;
/// Bytes of a subject, a group, a name or an address.
const TEXT_BYTES_MAX: usize = 256;
/// The provider whose `hd` claim is the only word on a hosted domain.
const GOOGLE: &str = "https://accounts.google.com";

/// Whoever is in a group at the provider gets this here. Earlier rows win, for
/// each of the three apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The group as the provider calls it; `*` is everybody it lets in.
    pub of: String,
    /// A role here.
    pub role: Option<Role>,
    /// A group here.
    pub group: Option<String>,
    /// A class here.
    pub class: Option<Class>,
}

/// What is known of the person: the verified token's claims, and what only the
/// user-info endpoint told.
pub(super) struct Told {
    pub(super) subject: String,
    /// Only where the provider says that it verified it.
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
    pub(super) others: Map<String, Value>,
}

impl Told {
    /// Adds what `more` knows and this does not.
    pub(super) fn join(mut self, more: Self) -> Self {
        for (name, value) in more.others {
            self.others.entry(name).or_insert(value);
        }
        Self { email: self.email.or(more.email), name: self.name.or(more.name), ..self }
    }

    /// Whether something is missing that the user-info endpoint may tell.
    pub(super) fn lacks(&self, config: &ProviderConfig) -> bool {
        let wants_groups =
            !config.groups_any.is_empty() || config.grants.iter().any(|grant| grant.of != "*");
        self.email.is_none() || (wants_groups && find(&self.others, &config.groups_claim).is_none())
    }

    /// The person, if the configuration lets them in.
    pub(super) fn judged(self, config: &ProviderConfig) -> Result<Proven, OidcError> {
        let too_long = |text: &str| text.is_empty() || text.len() > TEXT_BYTES_MAX;
        if too_long(&self.subject) {
            return Err(OidcError::Refused("a subject of no usable length".into()));
        }
        let groups = groups(&self.others, &config.groups_claim);
        if !domain_is_let_in(&self, config) {
            return Err(OidcError::NotAllowed(
                "the domain is none of those that are let in".into(),
            ));
        }
        let is_wanted = |group: &String| groups.contains(group);
        if !config.groups_any.is_empty() && !config.groups_any.iter().any(is_wanted) {
            return Err(OidcError::NotAllowed("none of the groups that are let in".into()));
        }
        let rows: Vec<&Grant> =
            config.grants.iter().filter(|row| row.of == "*" || groups.contains(&row.of)).collect();
        Ok(Proven {
            issuer: config.issuer.clone(),
            subject: self.subject,
            email: self.email.filter(|text| !too_long(text)),
            name: self.name.filter(|text| !too_long(text)),
            role: rows.iter().find_map(|row| row.role),
            group: rows.iter().find_map(|row| row.group.clone()),
            class: rows.iter().find_map(|row| row.class),
            groups,
        })
    }
}

/// Whether the person's domain is one of `config.domains`, if there are any.
/// Google vouches for a domain by `hd` alone: somebody outside of it may have
/// an account with an address in it.
fn domain_is_let_in(told: &Told, config: &ProviderConfig) -> bool {
    let hosted = told.others.get("hd").and_then(Value::as_str);
    let of_mail =
        told.email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
    let is_google = config.issuer == GOOGLE;
    let of_mail = of_mail.filter(|domain| !is_google || domain.eq_ignore_ascii_case("gmail.com"));
    let domain = hosted.or(of_mail);
    config.domains.is_empty()
        || domain
            .is_some_and(|domain| config.domains.iter().any(|one| one.eq_ignore_ascii_case(domain)))
}

/// The groups: an array of texts, or one text.
fn groups(claims: &Map<String, Value>, claim: &str) -> Vec<String> {
    let values = match find(claims, claim) {
        Some(Value::Array(values)) => values.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let texts = values.iter().take(GROUPS_MAX).filter_map(Value::as_str);
    texts.filter(|text| text.len() <= TEXT_BYTES_MAX).map(str::to_owned).collect()
}

/// The claim of this name; or, for `realm_access.roles`, the member of the claim.
fn find<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<&'a Value> {
    claims.get(claim).or_else(|| {
        let (first, rest) = claim.split_once('.')?;
        find(claims.get(first)?.as_object()?, rest)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(issuer: &str, domains: &[&str]) -> ProviderConfig {
        ProviderConfig {
            name: "p".into(),
            issuer: issuer.into(),
            client_id: "c".into(),
            client_secret: None,
            scopes: Vec::new(),
            domains: domains.iter().map(|text| (*text).to_owned()).collect(),
            groups_any: Vec::new(),
            groups_claim: "realm_access.roles".into(),
            grants: Vec::new(),
            authority: None,
        }
    }

    fn told(email: Option<&str>, others: &Value) -> Told {
        Told {
            subject: "s".into(),
            email: email.map(str::to_owned),
            name: None,
            others: others.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn google_vouches_for_a_domain_by_hd_alone() {
        let other = "https://id.example.org";
        let hosted = json!({"hd": "corp.example"});
        let cases = [
            (GOOGLE, "corp.example", Some("a@corp.example"), &hosted, true),
            (GOOGLE, "corp.example", Some("a@corp.example"), &json!({}), false),
            (GOOGLE, "gmail.com", Some("a@gmail.com"), &json!({}), true),
            (GOOGLE, "corp.example", Some("a@gmail.com"), &json!({}), false),
            (other, "corp.example", Some("a@corp.example"), &json!({}), true),
            (other, "corp.example", Some("a@evil.example"), &json!({}), false),
            (other, "corp.example", Some("a@corp.example@evil.example"), &json!({}), false),
            // Where both are told, the hosted domain is the account's.
            (other, "corp.example", Some("a@corp.example"), &json!({"hd": "evil.example"}), false),
            (other, "corp.example", None, &json!({}), false),
            (other, "corp.example", None, &json!({"hd": 7}), false),
        ];
        for (issuer, domain, email, others, expected) in cases {
            let judged = told(email, others).judged(&config(issuer, &[domain]));
            assert_eq!(judged.is_ok(), expected, "{issuer} {domain} {email:?} {others}");
        }
        assert!(told(None, &json!({})).judged(&config(other, &[])).is_ok());
    }

    #[test]
    fn groups_are_texts_of_a_claim_or_of_its_member() {
        let many: Vec<String> = (0..=GROUPS_MAX).map(|number| number.to_string()).collect();
        let cases = [
            (json!({"realm_access": {"roles": ["a", "b", 7, null]}}), "realm_access.roles", 2),
            (json!({"realm_access.roles": ["a"]}), "realm_access.roles", 1),
            (json!({"https://example.org/groups": "one"}), "https://example.org/groups", 1),
            (json!({"groups": {"a": 1}}), "groups", 0),
            (json!({"groups": ["g".repeat(256), "g".repeat(257)]}), "groups", 1),
            (json!({"groups": many}), "groups", GROUPS_MAX),
            (json!({"groups": []}), "groups.x", 0),
        ];
        for (claims, claim, expected) in cases {
            let found = groups(claims.as_object().unwrap(), claim);
            assert_eq!(found.len(), expected, "{claim}");
        }
    }

    #[test]
    fn the_first_row_that_grants_something_grants_it() {
        let grant = |of: &str, role, class| Grant { of: of.into(), role, group: None, class };
        let mut config = config("https://id.example.org", &[]);
        config.grants = vec![
            grant("admins", Some(Role::Admin), None),
            grant("staff", Some(Role::Operator), Some(Class::Established)),
            grant("*", Some(Role::User), Some(Class::New)),
        ];
        let cases = [
            (json!(["staff", "admins"]), Role::Admin, Class::Established),
            (json!(["staff"]), Role::Operator, Class::Established),
            (json!(["*"]), Role::User, Class::New),
            (json!([]), Role::User, Class::New),
        ];
        for (groups, role, class) in cases {
            let others = json!({"realm_access": {"roles": groups}});
            let proven = told(None, &others).judged(&config).unwrap();
            assert_eq!((proven.role, proven.class), (Some(role), Some(class)));
        }
    }
}
