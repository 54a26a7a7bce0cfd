//! `[[accounts.oidc]]`: identity providers that people may sign in with.

use std::path::PathBuf;

use serde::Deserialize;

use super::schema::Credential;
use crate::principal::Class;
use crate::role::Role;

/// `[[accounts.oidc]]`: an OpenID Connect provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// What names it in addresses: letters, digits and dashes.
    pub name: String,
    /// What the button says; the name if absent.
    #[serde(default)]
    pub label: Option<String>,
    /// Its issuer, exactly as it writes it.
    pub issuer: String,
    /// The door's client id there.
    pub client_id: String,
    /// The client's secret; a public client has none.
    #[serde(default)]
    pub client_secret: Option<Credential>,
    /// Scopes that are asked for beside `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Domains that are let in; all if empty.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Groups of which one lets in; all if empty.
    #[serde(default)]
    pub groups_any: Vec<String>,
    /// The claim that holds the groups; a dot goes into an object.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// Whether it may be used on the admin listener too.
    #[serde(default)]
    pub admin: bool,
    /// A certificate authority in PEM form, instead of the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What groups are given here.
    #[serde(default)]
    pub grant: Vec<OidcGrant>,
}

/// `[[accounts.oidc.grant]]`: what members of a group get here. Earlier rows win.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcGrant {
    /// The group as the provider calls it; `*` is everybody it lets in.
    pub of: String,
    /// A role.
    #[serde(default)]
    pub role: Option<Role>,
    /// A group of the door.
    #[serde(default)]
    pub group: Option<String>,
    /// A class.
    #[serde(default)]
    pub class: Option<Class>,
}

fn scopes() -> Vec<String> {
    vec!["email".to_owned(), "profile".to_owned()]
}
fn groups_claim() -> String {
    "groups".to_owned()
}
