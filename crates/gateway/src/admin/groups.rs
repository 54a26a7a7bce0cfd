//! Groups: limits that accounts share.

use surgewall_core::role::Action;
use surgewall_store::admin::{GroupCreate, GroupSet, GroupView, List, Named, Reply, Request};

use super::desk::{Asked, Desk, Done, Trouble};
use super::show;
use super::users::limits;
use super::view::{Cell, Facts, Form, Table, View};

/// Rows of one page.
const ROWS: u32 = 50;

/// All of them, a page at a time.
pub(super) async fn list(desk: &Desk, asked: &Asked) -> Result<View, Trouble> {
    let after = asked.query("after").map(str::to_owned);
    let reply = desk.ask(Request::GroupList(List { after, rows_max: ROWS })).await?;
    let Reply::Groups(page) = reply else { return Err(Trouble::unexpected()) };
    let table = Table {
        heading: "Groups",
        columns: &["Group", "Limits", "Since"],
        rows: page.rows.iter().map(row).collect(),
        empty: "There is no group yet.",
        next: page.next.map(|id| format!("/groups?after={id}")),
    };
    let new = || {
        Form::new("New group", "/groups", "Make it").line("name", "Name", "").line(
            "limits",
            "Limits, with commas between",
            "",
        )
    };
    let view = View::new("Groups", "A team, a course, a customer: its accounts share its limits.");
    Ok(view.with(table).maybe(desk.may(Action::ManagePeople).then(new)))
}

fn row(group: &GroupView) -> Vec<Cell> {
    let name = Cell::link(format!("/groups/{}", group.id), &group.name);
    vec![name, Cell::list(&group.limits), show::at(group.created_at)]
}

/// One group.
pub(super) async fn one(desk: &Desk, id: &str) -> Result<View, Trouble> {
    let reply = desk.ask(Request::GroupShow(Named { name: id.to_owned() })).await?;
    let Reply::Group(group) = reply else { return Err(Trouble::unexpected()) };
    let facts = Facts::new("Group")
        .with("Id", Cell::code(&group.id))
        .with("Limits", Cell::list(&group.limits))
        .with("Since", show::at(group.created_at));
    let change = || {
        Form::new("Change", format!("/groups/{}", group.id), "Change it")
            .line("name", "Name", &group.name)
            .line("limits", "Limits, with commas between; a dash is none", group.limits.join(", "))
    };
    let view = View::new(group.name.clone(), "Shared limits of the accounts in it.").with(facts);
    Ok(view.maybe(desk.may(Action::ManagePeople).then(change)))
}

/// Makes one.
pub(super) async fn create(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    let request = GroupCreate {
        name: asked.field("name").unwrap_or("").to_owned(),
        limits: limits(asked.field("limits").unwrap_or("")),
    };
    match desk.ask(Request::GroupCreate(request)).await? {
        Reply::Group(group) => Ok(Done::to(format!("/groups/{}", group.id), "The group was made.")),
        _ => Err(Trouble::unexpected()),
    }
}

/// Changes one.
pub(super) async fn set(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    let id = asked.id();
    let request = GroupSet {
        group: id.to_owned(),
        name: asked.field("name").map(str::to_owned),
        limits: asked.field("limits").map(limits),
    };
    desk.ask(Request::GroupSet(request)).await?;
    Ok(Done::to(format!("/groups/{id}"), "The group was changed."))
}
