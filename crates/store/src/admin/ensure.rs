//! What another service says of an account that it vouches for.

use serde::{Deserialize, Serialize};
use surgewall_core::principal::Class;
use surgewall_core::role::Role;

/// What [`super::Request::AccountEnsure`] asks for. The token was verified before.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEnsure {
    /// The token's issuer.
    pub issuer: String,
    /// The subject, as the configured claim says.
    pub subject: String,
    /// The class of a new account. One that is there keeps its own.
    pub class: Class,
    /// The class, if a claim names it: also one that is there gets it.
    #[serde(default)]
    pub claimed: Option<Class>,
    /// The group's name, if a claim names it: also one that is there is moved.
    #[serde(default)]
    pub group: Option<String>,
    /// Present where somebody signs in and all that is granted now is said: what
    /// was granted before and is not any more is taken back. A token says less.
    #[serde(default)]
    pub granted: Option<Granted>,
    /// The e-mail address that the issuer says to have verified. It is kept where
    /// the account has none and nobody else has it: an address joins no accounts.
    #[serde(default)]
    pub email: Option<String>,
}

/// What a provider's groups grant somebody who signs in, beside class and group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The role.
    #[serde(default)]
    pub role: Option<Role>,
}
