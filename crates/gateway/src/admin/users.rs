//! Accounts: who they are to the door, never what they wrote.

use std::sync::Arc;

use surgewall_core::clock::Timestamp;
use surgewall_core::figures::minute;
use surgewall_core::principal::AccountRecord;
use surgewall_core::role::{Action, Role};
use surgewall_store::admin::{
    Assign, KeyList, List, Named, Reply, Request, UserCreate, UserSet, UserView, VaultErase, Whose,
};
use surgewall_store::identity::Session;
use surgewall_store::people::{People as _, Pick};

use super::desk::{Asked, Desk, Done, Trouble};
use super::view::{Cell, Facts, Form, Table, Tone, View};
use super::{keys, show};
use crate::session;

/// Rows of one page.
const ROWS: u32 = 50;

/// All of them, a page at a time.
pub(super) async fn list(desk: &Desk, asked: &Asked) -> Result<View, Trouble> {
    if let Some(name) = asked.query("name") {
        return one(desk, name).await;
    }
    let after = asked.query("after").map(str::to_owned);
    let reply = desk.ask(Request::UserList(List { after, rows_max: ROWS })).await?;
    let Reply::Users(page) = reply else { return Err(Trouble::unexpected()) };
    let rows = page.rows.iter().map(row).collect();
    let table = Table {
        heading: "Accounts",
        columns: &["Account", "Class", "Role", "Group", "State", "Since"],
        rows,
        empty: "Nobody has an account yet.",
        next: page.next.map(|id| format!("/users?after={id}")),
    };
    let find = Form::new("Find one", "/users", "Show").asks().line("name", "E-mail or id", "");
    let view =
        View::new("Accounts", "Who may use the door. What people wrote is nowhere on these pages.");
    Ok(view.with(table).with(find).maybe(desk.may(Action::ManagePeople).then(new_user)))
}

fn row(user: &UserView) -> Vec<Cell> {
    vec![
        Cell::link(format!("/users/{}", user.id), name(user)),
        show::class(user.class),
        Cell::tag(user.role, Tone::Plain),
        Cell::Text(user.group.clone().unwrap_or_default()),
        state(user),
        show::at(user.known_since),
    ]
}

fn name(user: &UserView) -> String {
    let external = || user.external.as_ref().map(|external| external.subject.clone());
    user.email.clone().or_else(external).unwrap_or_else(|| user.id.to_string())
}

fn state(user: &UserView) -> Cell {
    if user.suspended { Cell::tag("suspended", Tone::Bad) } else { Cell::tag("active", Tone::Good) }
}

fn new_user() -> Form {
    Form::new("New account", "/users", "Make it")
        .line("email", "E-mail", "")
        .choice("class", "Class", show::classes(), "new")
        .line("group", "Group", "")
}

/// One account, its keys, and what may be done with it.
pub(super) async fn one(desk: &Desk, id: &str) -> Result<View, Trouble> {
    let reply = desk.ask(Request::UserShow(Named { name: id.to_owned() })).await?;
    let Reply::User(user) = reply else { return Err(Trouble::unexpected()) };
    let asked = KeyList { account: Some(user.id.to_string()), ..KeyList::default() };
    let Reply::Keys(held) = desk.ask(Request::KeyList(asked)).await? else {
        return Err(Trouble::unexpected());
    };
    let facts = Facts::new("Account")
        .with("Id", Cell::code(&user.id))
        .with("Class", show::class(user.class))
        .with("Why", format!("{}, since {}", user.class_why.as_str(), minute(user.class_since)))
        .with("Role", user.role.to_string())
        .with("State", state(&user))
        .with("Known since", show::at(user.known_since))
        .with("Days of good use", user.active_days.to_string())
        .with("Group", user.group.clone().unwrap_or_else(|| "-".to_owned()))
        .with("Limits", Cell::list(&user.limits));
    let view =
        View::new(name(&user), "What the door knows of this account, and why it has its class.")
            .with(facts)
            .with(keys::table("Keys", &held.rows, None))
            .with(sessions(desk, &user).await?);
    if !desk.may(Action::ManagePeople) || !desk.outranks(user.role) {
        return Ok(view);
    }
    Ok(view
        .with(change(desk, &user))
        .with(end_sessions(&user))
        .maybe(desk.may(Action::EraseContent).then(|| erase(&user))))
}

async fn sessions(desk: &Desk, user: &UserView) -> Result<Table, Trouble> {
    let found = account(desk, user.id.as_str()).await?;
    let found = found.map(|account| session::of_account(&desk.door, &account)).unwrap_or_default();
    let row = |(session, seen_at): (Arc<Session>, Timestamp)| {
        vec![
            Cell::code(&session.public_id),
            Cell::Text(session.about.browser.clone()),
            Cell::code(session.about.network),
            Cell::Text(session.listener.as_str().to_owned()),
            show::at(session.created_at),
            show::at(seen_at),
        ]
    };
    Ok(Table {
        heading: "Signed in",
        columns: &["Session", "Browser", "Network", "Listener", "Since", "Seen last"],
        rows: found.into_iter().map(row).collect(),
        empty: "It is signed in nowhere.",
        next: None,
    })
}

/// The account as the door has it in memory.
async fn account(desk: &Desk, id: &str) -> Result<Option<Arc<AccountRecord>>, Trouble> {
    let rows = desk.door.people.accounts(&Pick::PublicId(id.to_owned())).await?;
    Ok(rows.first().and_then(|row| desk.door.directory.account(row.id)))
}

fn end_sessions(user: &UserView) -> Form {
    Form::new("Sessions", format!("/users/{}", user.id), "End all of its sessions")
        .hidden("do", "end-sessions")
}

/// Each field goes with what it was, unseen: only what differs is changed, and
/// what somebody else changed in the meantime stays.
fn change(desk: &Desk, user: &UserView) -> Form {
    let stay = || ("".to_owned(), "as it is".to_owned());
    let mut classes = vec![stay(), ("by_rule".to_owned(), "by rule".to_owned())];
    classes.extend(show::classes());
    let (group, limits) = (user.group.as_deref().unwrap_or(""), user.limits.join(", "));
    let form = Form::new("Change", format!("/users/{}", user.id), "Change it")
        .hidden("was_group", group)
        .hidden("was_limits", &limits)
        .hidden("was_suspended", if user.suspended { "on" } else { "" })
        .choice("class", "Class", classes, "")
        .line("group", "Group; a dash is none", group)
        .line("limits", "Limits, with commas between; a dash is none", &limits)
        .tick("suspended", "Suspended: its keys and sessions do not work", user.suspended);
    if !desk.may(Action::GiveRoles) {
        return form;
    }
    let roles = Role::ALL.map(|role| (role.to_string(), role.to_string()));
    form.hidden("was_role", user.role).choice("role", "Role", roles.to_vec(), user.role.as_str())
}

fn erase(user: &UserView) -> Form {
    Form::new("Erase", format!("/users/{}", user.id), "Erase all content for good")
        .danger()
        .hidden("do", "erase")
        .line(
            "confirm",
            "Its conversations and records can never be read again. Type the id to confirm",
            "",
        )
}

/// Makes one.
pub(super) async fn create(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    let filled = |name| asked.field(name).filter(|text| !text.is_empty());
    let class = filled("class").map(str::parse).transpose();
    let request = UserCreate {
        email: asked.field("email").unwrap_or("").to_owned(),
        class: class.map_err(|_| Trouble::invalid("the class is none"))?,
        group: filled("group").map(str::to_owned),
        limits: Vec::new(),
    };
    match desk.ask(Request::UserCreate(request)).await? {
        Reply::UserCreated { id } => Ok(Done::to(format!("/users/{id}"), "The account was made.")),
        _ => Err(Trouble::unexpected()),
    }
}

/// Changes one, or destroys the keys of what it wrote.
pub(super) async fn set(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    let id = asked.id();
    let here = format!("/users/{id}");
    if asked.field("do") == Some("erase") {
        desk.must(Action::EraseContent)?;
        if asked.field("confirm") != Some(id) {
            return Err(Trouble::invalid(
                "the id that was typed is another one: nothing was erased",
            ));
        }
        let whose = Whose::Account(id.to_owned());
        desk.ask(Request::VaultErase(VaultErase { whose })).await?;
        return Ok(Done::to(
            here,
            "The keys of its content are destroyed; the receipt is in the ledger.",
        ));
    }
    if asked.field("do") == Some("end-sessions") {
        let account = account(desk, id).await?.ok_or_else(Trouble::nothing_there)?;
        if !desk.outranks(account.role) {
            return Err(Trouble::not_allowed());
        }
        let ended = session::end(&desk.door, &account, |_| true).await;
        ended.map_err(|error| Trouble::refused(error.to_string()))?;
        return Ok(Done::to(here, "Its sessions have ended."));
    }
    let change = change_of(desk, asked, id)?;
    desk.ask(Request::UserSet(change)).await?;
    Ok(Done::to(here, "The account was changed."))
}

fn change_of(desk: &Desk, asked: &Asked, id: &str) -> Result<UserSet, Trouble> {
    let class = asked.field("class").unwrap_or("");
    let by_rule = class == "by_rule";
    let granted = Some(class).filter(|class| !class.is_empty() && !by_rule);
    let changed = |name, was| asked.field(name).filter(|now| asked.field(was) != Some(now));
    let role = match changed("role", "was_role") {
        Some(role) if desk.may(Action::GiveRoles) => {
            Some(role.parse::<Role>().map_err(|error| Trouble::invalid(error.to_string()))?)
        }
        _ => None,
    };
    let suspended = asked.is_ticked("suspended");
    Ok(UserSet {
        user: id.to_owned(),
        class: granted
            .map(str::parse)
            .transpose()
            .map_err(|_| Trouble::invalid("the class is none"))?,
        by_rule,
        group: changed("group", "was_group").map(group),
        suspended: Some(suspended).filter(|now| *now != asked.is_ticked("was_suspended")),
        role,
        limits: changed("limits", "was_limits").map(limits),
    })
}

fn group(text: &str) -> Assign {
    match text.trim() {
        "" | "-" => Assign::Nothing,
        name => Assign::To(name.to_owned()),
    }
}

/// Limits as one line, with commas between.
pub(super) fn limits(text: &str) -> Vec<String> {
    let limits = text.split(',').map(str::trim).filter(|limit| !matches!(*limit, "" | "-"));
    limits.map(str::to_owned).collect()
}
