//! Whose export it is: told by its fields, or by `--from`.

use super::rows::Row;
use crate::cli::admin::import::Source;

/// What is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Users,
    Keys,
}

/// A field that tells a system: all that are named are there.
type Signs = (&'static [&'static str], Source);

const USERS: [Signs; 6] = [
    (&["user_id", "user_email"], Source::LiteLlm),
    (&["username", "quota"], Source::NewApi),
    (&["username", "display_name"], Source::NewApi),
    (&["email", "profile_image_url"], Source::OpenWebUi),
    (&["id", "name", "email", "role"], Source::OpenWebUi),
    (&["email"], Source::Surgewall),
];

const KEYS: [Signs; 6] = [
    (&["token", "key_alias"], Source::LiteLlm),
    (&["token", "key_name"], Source::LiteLlm),
    (&["key", "user_id"], Source::NewApi),
    (&["email", "api_key"], Source::OpenWebUi),
    (&["name", "sha256"], Source::Surgewall),
    (&["name", "bcrypt"], Source::Surgewall),
];

/// Whose export these rows are. CSV leaves out empty cells, so all rows are looked at.
pub(super) fn recognise(kind: Kind, rows: &[Row]) -> Option<Source> {
    let signs = match kind {
        Kind::Users => &USERS,
        Kind::Keys => &KEYS,
    };
    let fits = |(names, _): &&Signs| rows.iter().any(|row| row.has(names));
    signs.iter().find(fits).map(|(_, source)| *source)
}
