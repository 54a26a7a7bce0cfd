//! The gate on a running door: who gets leave to make an account, what a flood of
//! sign-ups does, and that the door moves it by itself and says so.

use std::net::IpAddr;
use std::time::Duration;

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::gate::{GateStep, MovedBy};
use surgewall_core::id::AccountId;
use surgewall_core::principal::Network;
use surgewall_gateway::admission::effort;
use surgewall_gateway::gate::{Attempt, GatePermit, Held, ask, join, pass, pass_again, view, work};
use surgewall_store::gate::{GateReply, GateRequest, Join};

use crate::harness::TestDoor;

const START: Timestamp = Timestamp::from_millis(1_760_000_000_000);

/// A door under `text`, on a clock that stands.
async fn door(text: &str) -> (TestDoor, ManualClock) {
    let time = ManualClock::new(START);
    (TestDoor::start_at(text, Clock::Manual(time.clone())).await, time)
}

fn from(address: &str) -> Attempt<'static> {
    let address: IpAddr = address.parse().unwrap();
    Attempt {
        network: Network::of(address),
        address,
        email: None,
        proven: false,
        phone: None,
        work: None,
        verified: false,
        invite: None,
    }
}

async fn held(door: &TestDoor, attempt: &Attempt<'_>) -> &'static str {
    pass(door.door(), attempt).await.map_or_else(|held| held.as_str(), |_| "passed")
}

async fn move_to(door: &TestDoor, to: GateStep) {
    let request = GateRequest::Move { to, reason: format!("Now {to}.") };
    ask(door.door(), request).await.unwrap();
}

async fn invite(door: &TestDoor, uses: u32) -> String {
    let request = GateRequest::InviteCreate { uses, days: 9, note: None, by: None };
    let GateReply::Invited(made) = ask(door.door(), request).await.unwrap() else { panic!() };
    made.token.0.expose().clone()
}

#[tokio::test]
async fn each_step_asks_for_what_it_says() {
    let (door, _) = door("[gate]\nphone_prefixes=[\"+86\"]\n").await;
    let token = invite(&door, 9).await;
    let stranger = from("192.0.2.1");
    let verified = Attempt { verified: true, ..stranger };
    let invited = Attempt { invite: Some(&token), ..stranger };
    let phoned = Attempt { phone: Some("+86 139 1234 5678"), ..invited };
    use GateStep::{Closed, Invite, Open, Region, Verified, Work};
    for (step, expected) in [
        (Open, ["passed", "passed", "passed", "passed"]),
        (Work, ["work", "passed", "passed", "passed"]),
        (Verified, ["needs_verified", "passed", "passed", "passed"]),
        (Invite, ["needs_invite", "needs_invite", "passed", "passed"]),
        (Region, ["region", "region", "region", "passed"]),
        (Closed, ["closed", "closed", "closed", "closed"]),
    ] {
        move_to(&door, step).await;
        let mut found = Vec::new();
        for attempt in [&stranger, &verified, &invited, &phoned] {
            found.push(held(&door, attempt).await);
        }
        assert_eq!(found, expected, "{step}");
        let seen = view(door.door());
        assert_eq!(
            (seen.step, seen.reason, seen.by),
            (step, format!("Now {step}."), MovedBy::Hand)
        );
    }
    move_to(&door, Verified).await;
    let bad = Attempt { invite: Some("sw_invite_0000000000000000000000"), ..stranger };
    assert_eq!(held(&door, &bad).await, "invite_bad");
    let none = Attempt { invite: Some(" "), ..stranger };
    assert_eq!(held(&door, &none).await, "needs_verified", "an empty field is no invite");
}

#[tokio::test]
async fn whoever_worked_or_waited_comes_in_once() {
    let (door, time) = door("[gate]\nstart=\"work\"\nwait_s=30\n").await;
    let stranger = from("192.0.2.1");
    let Err(Held::Work(asked)) = pass(door.door(), &stranger).await else { panic!() };
    assert_eq!(asked, work(door.door(), stranger.network));
    let bid = effort::bid(&asked.challenge, asked.effort);
    let worked = Attempt { work: Some(&bid), ..stranger };
    assert_eq!(held(&door, &Attempt { work: Some(&bid), ..from("198.51.100.1") }).await, "work");
    assert_eq!([held(&door, &worked).await, held(&door, &worked).await], ["passed", "work"]);
    let waited = Attempt { work: Some(&asked.ticket), ..stranger };
    assert_eq!(held(&door, &waited).await, "work");
    time.advance(Duration::from_secs(30));
    assert_eq!([held(&door, &waited).await, held(&door, &waited).await], ["passed", "work"]);
}

#[tokio::test]
async fn an_invite_is_used_by_the_account_and_not_by_the_asking() {
    let (door, _) = door("[gate]\nstart=\"invite\"\n").await;
    let token = invite(&door, 1).await;
    let invited = Attempt { invite: Some(&token), ..from("192.0.2.1") };
    let permit = pass(door.door(), &invited).await.unwrap();
    assert!(permit.is_invited() && permit.step() == GateStep::Invite);
    assert_eq!(held(&door, &invited).await, "invite_bad", "its one use is held");
    drop(permit);
    let permit = pass(door.door(), &invited).await.unwrap();
    permit.made(door.door(), AccountId::from_u128(1)).await.unwrap();
    assert_eq!(held(&door, &invited).await, "invite_bad");
}

#[tokio::test]
async fn a_turn_on_the_waiting_list_comes_and_is_told() {
    let (door, _) = door("").await;
    let (address, network) = (from("192.0.2.1").address, from("192.0.2.1").network);
    let wait = async |email| join(door.door(), network, address, email).await;
    assert_eq!(wait("ann@example.org").await.unwrap_err(), Held::NoNeed);
    move_to(&door, GateStep::Invite).await;
    let ticket = async |email| match wait(email).await {
        Ok(Join::Waiting { position, ticket }) => (position, ticket.expose().clone()),
        other => panic!("{other:?}"),
    };
    let (ann, (second, bob)) = (ticket("ann@example.org").await, ticket("bob@example.org").await);
    assert_eq!((ann.0, second), (1, 2));
    assert_eq!(wait("nobody").await.unwrap_err(), Held::NoAddress);
    let typed = Attempt { email: Some("Bob@Example.org "), ..from("198.51.100.1") };
    let shown = Attempt { invite: Some(&bob), ..typed };
    let proven = Attempt { proven: true, ..typed };
    let held = async |attempt: &Attempt<'_>| pass(door.door(), attempt).await.unwrap_err();
    assert_eq!(held(&typed).await, Held::NeedsInvite, "a typed address tells nothing");
    for theirs in [&shown, &proven] {
        assert_eq!(held(theirs).await, Held::Waiting { position: 2 });
    }
    ask(door.door(), GateRequest::WaitingAdmit { count: 2, days: 3 }).await.unwrap();
    assert_eq!(held(&typed).await, Held::NeedsInvite, "and takes nobody's turn");
    assert!(pass(door.door(), &proven).await.unwrap().is_invited());
    let permit = pass(door.door(), &shown).await.unwrap();
    permit.made(door.door(), AccountId::from_u128(1)).await.unwrap();
    assert_eq!(held(&shown).await, Held::InviteBad, "the turn is used");
    assert_eq!(held(&proven).await, Held::NeedsInvite);
    move_to(&door, GateStep::Closed).await;
    assert_eq!(wait("eve@example.org").await.unwrap_err(), Held::Closed);
}

#[tokio::test]
async fn a_flood_has_a_bounded_room_and_a_bounded_speed() {
    let limits =
        "[gate]\nin_flight=3\nnetwork_in_flight=2\nnetwork_per_hour=5\ndomain_per_hour=6\n";
    let (door, time) = door(limits).await;
    let begun = |permit: Result<GatePermit, Held>| {
        permit.map(|mut permit| {
            permit.begun();
            permit
        })
    };
    let enter = async |address| begun(pass(door.door(), &from(address)).await);
    let (one, two) = (enter("192.0.2.1").await, enter("192.0.2.2").await);
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(enter("192.0.2.3").await.unwrap_err(), Held::Busy, "one network has two at once");
    let three = enter("198.51.100.1").await;
    assert!(three.is_ok());
    assert_eq!(enter("203.0.113.1").await.unwrap_err(), Held::Busy, "all have three at once");
    drop((one, two, three));
    for nth in 3..=5 {
        // What did not begin, by a refused password say, is not counted.
        assert!(pass(door.door(), &from("192.0.2.1")).await.is_ok(), "{nth}");
        assert!(enter("192.0.2.1").await.is_ok(), "{nth}");
    }
    let Err(Held::TooMany { retry_after }) = enter("192.0.2.9").await else { panic!() };
    assert_eq!(retry_after, Duration::from_secs(720));
    time.advance(retry_after);
    assert!(enter("192.0.2.1").await.is_ok());
    assert!(enter("192.0.2.1").await.is_err());
    assert!(pass_again(door.door(), &from("192.0.2.1")).await.is_ok(), "it was counted before");
    for nth in 0..7_u8 {
        let address = format!("10.{nth}.0.1");
        let email = format!("u{nth}@One.example");
        let attempt = Attempt { email: Some(&email), ..from(&address) };
        let passed = begun(pass(door.door(), &attempt).await);
        assert_eq!(passed.is_ok(), nth < 6, "{nth}");
    }
    let other = Attempt { email: Some("u@two.example"), ..from("10.9.0.1") };
    assert_eq!(held(&door, &other).await, "passed");
}

/// Waits until the gate stands at `step`; it is looked at once a second.
async fn stands(door: &TestDoor, time: &ManualClock, step: GateStep, each: u64) {
    for _ in 0..300 {
        if view(door.door()).step == step {
            return;
        }
        time.advance(Duration::from_secs(each));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the gate stands at {} and not at {step}", view(door.door()).step);
}

#[tokio::test]
async fn pressure_moves_it_up_and_calm_brings_it_back_each_recorded() {
    let text = "[gate]\nsign_ups_per_min=20\nup_after_s=1\ndown_after_s=2\nmax_step=\"verified\"\n";
    let (door, time) = door(text).await;
    let flood = async || {
        for n in 0..200_u8 {
            let _ = pass(door.door(), &from(&format!("10.{n}.0.1"))).await;
        }
    };
    flood().await;
    stands(&door, &time, GateStep::Work, 1).await;
    let seen = view(door.door());
    assert_eq!(seen.by, MovedBy::Pressure);
    assert!(seen.reason.contains("200 within a minute"), "{}", seen.reason);
    assert_eq!(held(&door, &from("203.0.113.1")).await, "work");
    flood().await;
    stands(&door, &time, GateStep::Verified, 1).await;
    // A minute later nobody wants an account any more.
    stands(&door, &time, GateStep::Open, 30).await;
    assert_eq!(view(door.door()).reason, "It is calm again.");
    let moves: Vec<_> =
        door.stop().await.changed.into_iter().filter(|c| c.action == "gate.move").collect();
    let steps: Vec<_> = moves.iter().map(|moved| moved.subject.as_deref().unwrap()).collect();
    assert_eq!(steps, ["work", "verified", "work", "open"]);
    assert!(moves.iter().all(|moved| moved.detail.as_ref().unwrap().contains("by=pressure")));
}

#[tokio::test]
async fn where_it_was_moved_by_hand_it_stands_after_a_restart() {
    let door = TestDoor::start("").await;
    move_to(&door, GateStep::Closed).await;
    let door = door.restart("[gate]\nstart=\"open\"\n", |_| {}).await;
    assert_eq!(view(door.door()).step, GateStep::Closed);
    assert_eq!(view(door.door()).reason, "Now closed.");
}

#[tokio::test]
async fn a_region_that_nobody_chose_lets_in_nobody_and_is_refused() {
    let (door, _) = door("").await;
    let request = GateRequest::Move { to: GateStep::Region, reason: "x".into() };
    let error = ask(door.door(), request).await.unwrap_err();
    assert!(error.message.contains("no region"), "{error}");
    assert_eq!(view(door.door()).step, GateStep::Open);
}
