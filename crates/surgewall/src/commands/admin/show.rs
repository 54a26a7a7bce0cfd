//! Accounts, groups and keys for people.

use surgewall_core::clock::Timestamp;
use surgewall_core::figures;
use surgewall_core::principal::{Class, ClassReason, Scopes};
use surgewall_store::admin::{GroupView, KeyState, KeyView, Reply, UserView};

use crate::cli::Shape;
use crate::commands::office::unexpected;
use crate::fault::Fault;
use crate::show::table::{Column, table};
use crate::show::{err, json, out, plain};

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    Users,
    Groups,
    Keys,
}

/// All rows of a listing.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) users: Vec<UserView>,
    pub(super) groups: Vec<GroupView>,
    pub(super) keys: Vec<KeyView>,
}

impl Rows {
    /// Prints them.
    pub(super) fn print(self, what: Listing, format: Shape) -> Result<(), Fault> {
        match (what, format) {
            (Listing::Users, Shape::Json) => json(&self.users),
            (Listing::Groups, Shape::Json) => json(&self.groups),
            (Listing::Keys, Shape::Json) => json(&self.keys),
            (Listing::Users, Shape::Text) => text("account", &USER, self.users.iter().map(user)),
            (Listing::Groups, Shape::Text) => text("group", &GROUP, self.groups.iter().map(group)),
            (Listing::Keys, Shape::Text) => text("key", &KEY, self.keys.iter().map(key)),
        }
    }
}

fn text(
    thing: &str,
    columns: &[Column],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<(), Fault> {
    let rows: Vec<_> = rows.collect();
    let count = crate::show::count(rows.len() as u64, thing);
    if !rows.is_empty() {
        out(&table(columns, rows));
    }
    err(&format!("{count}\n"));
    Ok(())
}

const USER: [Column; 6] = [
    Column::Left("id"),
    Column::Left("who"),
    Column::Left("class"),
    Column::Left("group"),
    Column::Left("limits"),
    Column::Left("state"),
];

fn user(user: &UserView) -> Vec<String> {
    let state = if user.suspended { "suspended" } else { "active" };
    vec![
        user.id.to_string(),
        who(user),
        user.class.to_string(),
        or_none(user.group.as_ref()),
        joined(&user.limits),
        state.to_owned(),
    ]
}

fn who(user: &UserView) -> String {
    let by_token = || user.external.as_ref().map(|e| format!("{} at {}", e.subject, e.issuer));
    user.email.clone().or_else(by_token).unwrap_or_else(|| "-".to_owned())
}

const GROUP: [Column; 4] =
    [Column::Left("id"), Column::Left("name"), Column::Left("limits"), Column::Left("made")];

fn group(group: &GroupView) -> Vec<String> {
    vec![
        group.id.to_string(),
        group.name.clone(),
        joined(&group.limits),
        figures::day(group.created_at),
    ]
}

const KEY: [Column; 9] = [
    Column::Left("id"),
    Column::Left("name"),
    Column::Left("ends in"),
    Column::Left("state"),
    Column::Left("account"),
    Column::Left("group"),
    Column::Left("may"),
    Column::Left("limits"),
    Column::Left("last used"),
];

fn key(key: &KeyView) -> Vec<String> {
    vec![
        key.id.to_string(),
        key.name.clone(),
        key.last_four.clone().unwrap_or_else(|| format!("({})", key.kind)),
        state(key),
        or_none(key.account.as_ref()),
        or_none(key.group.as_ref()),
        scopes(&key.scopes),
        joined(&key.limits),
        or_never(key.last_used_at),
    ]
}

fn state(key: &KeyView) -> String {
    match (key.state, key.expires_at) {
        (KeyState::Active, Some(end)) => format!("until {}", figures::day(end)),
        (KeyState::Active, None) => "active".to_owned(),
        (KeyState::Expired, _) => "expired".to_owned(),
        (KeyState::Revoked, _) => "revoked".to_owned(),
        (KeyState::Suspended, _) => "suspended".to_owned(),
    }
}

fn scopes(scopes: &Scopes) -> String {
    let networks: Vec<_> = scopes.networks.iter().map(ToString::to_string).collect();
    let lists = [("models", &scopes.models), ("routes", &scopes.routes), ("from", &networks)];
    let said = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let said: Vec<_> = said.map(|(word, list)| format!("{word} {}", list.join(","))).collect();
    if said.is_empty() { "all".to_owned() } else { said.join("; ") }
}

/// Prints one account, group or key.
///
/// # Errors
/// The reply is another one.
pub(super) fn one(reply: Reply, format: Shape) -> Result<(), Fault> {
    match (reply, format) {
        (Reply::UserCreated { id }, _) => out(&format!("{id}\n")),
        (Reply::User(view), Shape::Json) => json(&view)?,
        (Reply::Group(view), Shape::Json) => json(&view)?,
        (Reply::Key(view), Shape::Json) => json(&view)?,
        (Reply::Delegated(view), Shape::Json) => json(&view)?,
        (Reply::User(view), Shape::Text) => sheet(&[
            ("id", view.id.to_string()),
            ("who", who(&view)),
            ("class", class(view.class, view.class_since, view.class_why)),
            ("known", format!("since {}", minute(view.known_since))),
            ("good use", format!("on {}", crate::show::count(view.active_days, "day"))),
            ("group", or_none(view.group.as_ref())),
            ("limits", joined(&view.limits)),
            ("state", if view.suspended { "suspended" } else { "active" }.to_owned()),
            ("role", view.role.to_string()),
            ("made", minute(view.created_at)),
        ]),
        (Reply::Group(view), Shape::Text) => sheet(&[
            ("id", view.id.to_string()),
            ("name", view.name.clone()),
            ("limits", joined(&view.limits)),
            ("made", minute(view.created_at)),
        ]),
        (Reply::Key(view), Shape::Text) => one_key(&view),
        (Reply::Delegated(view), Shape::Text) => sheet(&[
            ("user", view.user.to_string()),
            ("key", format!("{} ({})", view.key_name, view.key)),
            ("class", view.class.to_string()),
            ("limits", joined(&view.limits)),
            ("first seen", or_never(view.first_seen_at)),
            ("last seen", or_never(view.last_seen_at)),
        ]),
        _ => return Err(unexpected()),
    }
    Ok(())
}

fn one_key(key: &KeyView) {
    sheet(&[
        ("id", key.id.to_string()),
        ("name", key.name.clone()),
        ("ends in", key.last_four.clone().unwrap_or_else(|| "-".to_owned())),
        ("kind", key.kind.clone()),
        ("state", state(key)),
        ("account", or_none(key.account.as_ref())),
        ("group", or_none(key.group.as_ref())),
        ("class", class(key.class, key.class_since, key.class_why)),
        ("may", scopes(&key.scopes)),
        ("delegates", if key.delegates { "yes" } else { "no" }.to_owned()),
        ("limits", joined(&key.limits)),
        ("made", minute(key.created_at)),
        ("last used", or_never(key.last_used_at)),
        ("revoked", key.revoked_at.map_or_else(|| "-".to_owned(), minute)),
    ]);
    let users = key.users.iter();
    let users: Vec<_> = users
        .map(|user| ("end user", format!("{}  {}", user.user, joined(&user.limits))))
        .collect();
    sheet(&users);
}

/// `new since 2026-11-22 15:04Z: as every new account`.
fn class(class: Class, since: Timestamp, why: ClassReason) -> String {
    let why = match why {
        ClassReason::Default => "as every new account",
        ClassReason::Operator => "granted by an operator",
        ClassReason::Issuer => "given to accounts of its token's issuer",
        ClassReason::Claim => "its token says so",
        ClassReason::Earned => "earned by age and good use",
        ClassReason::OperatorsKey => "the operator's own key",
        ClassReason::Unknown => "why was not recorded",
    };
    format!("{class} since {}: {why}", minute(since))
}

pub(super) fn sheet(lines: &[(&str, String)]) {
    let lines = lines.iter().map(|(name, value)| format!("{name:<10}  {}\n", plain(value)));
    out(&lines.collect::<String>());
}

fn or_none(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

pub(super) fn or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), minute)
}

fn joined(limits: &[String]) -> String {
    if limits.is_empty() { "-".to_owned() } else { limits.join(" ") }
}

/// `2026-11-22 15:04Z`.
pub(super) fn minute(at: Timestamp) -> String {
    format!("{}Z", figures::minute(at))
}
