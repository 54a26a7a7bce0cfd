//! The gate before sign-up: where it stands, invites, and who waits.

use surgewall_core::gate::GateStep;
use surgewall_core::role::Action;
use surgewall_store::gate::{
    GateReply, GateRequest, GateShown, InviteState, InviteView, PlaceView,
};

use super::desk::{Asked, Desk, Done, Trouble};
use super::show;
use super::view::{Cell, Facts, Form, Table, Text, Tone, View};

/// Days that an invite or a turn is good for, where nobody says otherwise.
const DAYS: u32 = 14;

/// The page.
pub(super) async fn view(desk: &Desk) -> Result<View, Trouble> {
    let GateReply::Shown(shown) = desk.gate(GateRequest::Show).await? else {
        return Err(Trouble::unexpected());
    };
    let GateReply::Invites(invites) = desk.gate(GateRequest::InviteList { after: None }).await?
    else {
        return Err(Trouble::unexpected());
    };
    let GateReply::Waiting(waits) = desk.gate(GateRequest::WaitingList { after: None }).await?
    else {
        return Err(Trouble::unexpected());
    };
    let may = desk.may(Action::MoveGate);
    let lead = "Who may make an account now. Whoever has one is not asked by any step of it.";
    Ok(View::new("Gate", lead)
        .with(facts(&shown))
        .maybe(may.then(|| movement(shown.view.step)))
        .with(invite_table(&invites.rows, may))
        .maybe(may.then(new_invite))
        .with(waiting_table(&waits.places))
        .maybe((may && shown.waiting > 0).then(let_in)))
}

fn facts(shown: &GateShown) -> Facts {
    let view = &shown.view;
    let tone = if view.step == shown.base { Tone::Good } else { Tone::Watch };
    Facts::new("Now")
        .with("Step", Cell::tag(view.step, tone))
        .with("It means", view.step.public_words())
        .with("Why, as everybody reads it", view.reason.clone())
        .with("Since", show::at(view.since))
        .with("Moved by", view.by.as_str())
        .with("When it is calm", shown.base.to_string())
        .with("Waiting", shown.waiting.to_string())
}

fn movement(now: GateStep) -> Form {
    let steps = GateStep::ALL.map(|step| (step.to_string(), step.to_string()));
    Form::new("Move it", "/gate", "Move the gate")
        .hidden("do", "move")
        .choice("to", "To", steps.to_vec(), now.as_str())
        .line("reason", "Why, in words for everybody", "")
}

fn invite_table(invites: &[InviteView], may: bool) -> Table {
    let row = |invite: &InviteView| {
        let revoke = || {
            let form = Form::button("/gate", "Revoke").hidden("do", "revoke");
            Cell::Buttons(vec![form.hidden("id", &invite.id)])
        };
        let good = invite.state == InviteState::Good;
        vec![
            Cell::code(&invite.id),
            Cell::tag(invite.state.as_str(), if good { Tone::Good } else { Tone::Plain }),
            Cell::Text(format!("{} of {}", invite.uses, invite.uses_max)),
            Cell::Text(
                invite.made_by.as_ref().map_or("the operator".to_owned(), ToString::to_string),
            ),
            Cell::Text(invite.note.clone().unwrap_or_default()),
            show::at(invite.expires_at),
            if may && good { revoke() } else { Cell::Text(String::new()) },
        ]
    };
    Table {
        heading: "Invites",
        columns: &["Invite", "State", "Used", "Given by", "Note", "Good until", "Change"],
        rows: invites.iter().map(row).collect(),
        empty: "Nobody was invited.",
        next: None,
    }
}

fn new_invite() -> Form {
    Form::new("New invite", "/gate", "Make it")
        .hidden("do", "invite")
        .line("uses", "Accounts that it is good for", 1)
        .line("days", "Days", DAYS)
        .line("note", "Note, for operators", "")
}

fn waiting_table(places: &[PlaceView]) -> Table {
    let row = |place: &PlaceView| {
        vec![
            Cell::code(place.number),
            Cell::Text(place.email.clone()),
            show::at(place.joined_at),
            show::maybe(place.until),
        ]
    };
    Table {
        heading: "Waiting list",
        columns: &["Number", "E-mail", "Since", "May come until"],
        rows: places.iter().map(row).collect(),
        empty: "Nobody waits.",
        next: None,
    }
}

fn let_in() -> Form {
    Form::new("Let the first ones in", "/gate", "Let them in")
        .hidden("do", "admit")
        .line("count", "How many", 10)
        .line("days", "Days that they have", DAYS)
}

/// Moves it, makes or revokes an invite, or lets the first ones in.
pub(super) async fn act(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    let field = |name| asked.field(name).unwrap_or("");
    let number = |name| {
        field(name).parse::<u32>().map_err(|_| Trouble::invalid(format!("{name} is no number")))
    };
    match field("do") {
        "move" => {
            let to = field("to").parse().map_err(|_| Trouble::invalid("there is no such step"))?;
            desk.gate(GateRequest::Move { to, reason: field("reason").to_owned() }).await?;
            Ok(Done::to("/gate", "The gate was moved."))
        }
        "invite" => {
            let note = Some(field("note")).filter(|note| !note.is_empty()).map(str::to_owned);
            let by = Some(desk.who.account.public_id.to_string());
            let (uses, days) = (number("uses")?, number("days")?);
            let made = desk.gate(GateRequest::InviteCreate { uses, days, note, by }).await?;
            let GateReply::Invited(made) = made else { return Err(Trouble::unexpected()) };
            let text = made.token.0.expose().clone();
            let lead = "Copy it now: it is not shown again. It is asked for on the sign-up page.";
            Ok(Done::Page(View::new("The new invite", lead).with(Text { heading: "", text })))
        }
        "revoke" => {
            desk.gate(GateRequest::InviteRevoke { id: field("id").to_owned(), tree: false })
                .await?;
            Ok(Done::to("/gate", "The invite is revoked."))
        }
        "admit" => {
            let (count, days) = (number("count")?, number("days")?);
            desk.gate(GateRequest::WaitingAdmit { count, days }).await?;
            Ok(Done::to("/gate", "They were let in."))
        }
        _ => Err(Trouble::nothing_there()),
    }
}
