//! Keys: what they may do, and the end of one.

use surgewall_core::principal::Scopes;
use surgewall_core::role::Action;
use surgewall_store::admin::{KeyCreate, KeyList, KeyState, KeyView, Named, Reply, Request};

use super::desk::{Asked, Desk, Done, Trouble};
use super::show;
use super::users::limits;
use super::view::{Cell, Facts, Form, Table, Text, Tone, View};

/// Rows of one page.
const ROWS: u32 = 50;

/// All of them, a page at a time.
pub(super) async fn list(desk: &Desk, asked: &Asked) -> Result<View, Trouble> {
    let after = asked.query("after").map(str::to_owned);
    let request = KeyList { account: None, after, rows_max: ROWS };
    let Reply::Keys(page) = desk.ask(Request::KeyList(request)).await? else {
        return Err(Trouble::unexpected());
    };
    let next = page.next.map(|id| format!("/keys?after={id}"));
    let new = || {
        Form::new("New key", "/keys", "Make it")
            .line("name", "Name", "")
            .line("account", "Account, by e-mail; empty is the operator's own", "")
            .line("expires_in", "Works for", "90d")
            .line("models", "Only these models, with commas between", "")
            .line("networks", "Only from these networks", "")
            .line("limits", "Limits, with commas between", "")
            .tick("delegates", "It may name its end users", false)
    };
    let view = View::new("Keys", "Only a keyed hash of each is kept: nobody can read one here.");
    Ok(view.with(table("", &page.rows, next)).maybe(desk.may(Action::ManagePeople).then(new)))
}

/// Keys as rows.
pub(super) fn table(heading: &'static str, keys: &[KeyView], next: Option<String>) -> Table {
    Table {
        heading,
        columns: &["Key", "Ends in", "Whose", "State", "Expires", "Last used"],
        rows: keys.iter().map(row).collect(),
        empty: "There is no key.",
        next,
    }
}

fn row(key: &KeyView) -> Vec<Cell> {
    vec![
        Cell::link(format!("/keys/{}", key.id), &key.name),
        key.last_four.as_ref().map_or_else(Cell::none, Cell::code),
        Cell::Text(key.account.clone().unwrap_or_else(|| "the operator".to_owned())),
        state(key.state),
        show::maybe(key.expires_at),
        show::maybe(key.last_used_at),
    ]
}

fn state(state: KeyState) -> Cell {
    match state {
        KeyState::Active => Cell::tag("active", Tone::Good),
        KeyState::Expired => Cell::tag("expired", Tone::Watch),
        KeyState::Revoked => Cell::tag("revoked", Tone::Bad),
        KeyState::Suspended => Cell::tag("suspended", Tone::Bad),
    }
}

/// One key.
pub(super) async fn one(desk: &Desk, id: &str) -> Result<View, Trouble> {
    let reply = desk.ask(Request::KeyShow(Named { name: id.to_owned() })).await?;
    let Reply::Key(key) = reply else { return Err(Trouble::unexpected()) };
    let facts = Facts::new("Key")
        .with("Id", Cell::code(&key.id))
        .with("State", state(key.state))
        .with("Class of its callers", show::class(key.class))
        .with("Models", Cell::list(&key.scopes.models))
        .with("Routes", Cell::list(&key.scopes.routes))
        .with("Networks", Cell::list(&key.scopes.networks))
        .with("Limits", Cell::list(&key.limits))
        .with("May name its end users", if key.delegates { "yes" } else { "no" })
        .with("Made", show::at(key.created_at))
        .with("Expires", show::maybe(key.expires_at))
        .with("Revoked", show::maybe(key.revoked_at))
        .with("Last used", show::maybe(key.last_used_at));
    let view = View::new(
        key.name.clone(),
        "An empty list of models, routes or networks does not restrict.",
    );
    let revoke = || {
        Form::new("End it", format!("/keys/{}", key.id), "Revoke this key for good")
            .danger()
            .hidden("do", "revoke")
    };
    let may = desk.may(Action::ManagePeople) && key.revoked_at.is_none();
    Ok(view.with(facts).maybe(may.then(revoke)))
}

/// Makes one, and shows it this once.
pub(super) async fn create(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    let filled = |name| asked.field(name).map(str::trim).filter(|text| !text.is_empty());
    let networks = limits(filled("networks").unwrap_or(""));
    let networks = networks.iter().map(|network| network.parse()).collect::<Result<_, _>>();
    let scopes = Scopes {
        models: limits(filled("models").unwrap_or("")),
        routes: Vec::new(),
        networks: networks
            .map_err(|_| Trouble::invalid("a network is written like 192.0.2.0/24"))?,
    };
    let request = KeyCreate {
        name: filled("name").unwrap_or("").to_owned(),
        account: filled("account").map(str::to_owned),
        scopes,
        delegates: asked.is_ticked("delegates"),
        expires_in: filled("expires_in").map(str::to_owned),
        limits: limits(filled("limits").unwrap_or("")),
        ..KeyCreate::default()
    };
    match desk.ask(Request::KeyCreate(request)).await? {
        Reply::KeyCreated { id, key: Some(key) } => {
            let text = key.0.expose().clone();
            let view = View::new(
                "The new key",
                "Copy it now: it is not shown again, and nobody can read it later.",
            );
            let link = Facts::new("").with("It is called", Cell::link(format!("/keys/{id}"), &id));
            Ok(Done::Page(view.with(Text { heading: "", text }).with(link)))
        }
        _ => Err(Trouble::unexpected()),
    }
}

/// Ends one.
pub(super) async fn act(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    if asked.field("do") != Some("revoke") {
        return Err(Trouble::nothing_there());
    }
    let id = asked.id();
    desk.ask(Request::KeyRevoke(Named { name: id.to_owned() })).await?;
    Ok(Done::to(format!("/keys/{id}"), "The key is revoked; requests that ran on it have ended."))
}
