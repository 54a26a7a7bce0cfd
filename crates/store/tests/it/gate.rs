//! The gate in its store: moves, invites and their tree, the waiting list, and
//! what a leaked database tells.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::config::schema;
use surgewall_core::decision::{Changed, Record};
use surgewall_core::gate::{GateStep, MovedBy};
use surgewall_core::id::AccountId;
use surgewall_core::principal::Network;
use surgewall_store::admin::{AdminError, ErrorKind, Signed};
use surgewall_store::datadir::DataDir;
use surgewall_store::gate::{
    Desk, GateReply, GateRequest, INVITE_DAYS_MAX, INVITE_NOTE_CHARS_MAX, INVITE_USES_MAX,
    InviteMade, InviteState, InviteView, Join, LET_IN_MAX, Moved, PLACES_PER_NETWORK_MAX, Place,
    PlaceView, REASON_CHARS_MAX, Revoked,
};
use surgewall_store::ledger::read::export;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;
use tempfile::TempDir;

const START: Timestamp = Timestamp::from_millis(1_760_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

/// A gate with a ledger, in a temporary directory.
pub(crate) struct Site {
    _base: TempDir,
    data: DataDir,
    vault: Vault,
    store: Arc<Sqlite>,
    pub(crate) desk: Desk<Sqlite>,
    pub(crate) ledger: Ledger,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let data = DataDir::open_or_create(&base.path().join("data")).unwrap();
        let vault = Vault::open_or_create(&data, Some(&base.path().join("master.key"))).unwrap();
        let store = Arc::new(Sqlite::open(&data.database()).await.unwrap());
        let clock = Clock::Manual(ManualClock::new(START));
        let options = LedgerOptions::new(&schema::Ledger::default(), clock);
        let (ledger, _) = Ledger::open(&data, &vault, options).unwrap();
        let desk = Desk::new(store.clone(), vault.clone(), (GateStep::Open, "At first."), START);
        desk.load().await.unwrap();
        Self { _base: base, data, vault, store, desk, ledger }
    }

    /// The same gate as another door would find it.
    async fn again(&self) -> Desk<Sqlite> {
        let start = (GateStep::Open, "At first.");
        let desk = Desk::new(self.store.clone(), self.vault.clone(), start, START);
        desk.load().await.unwrap();
        desk
    }

    async fn ask(&self, request: GateRequest) -> Result<GateReply, AdminError> {
        self.desk.ask(Some(Signed::machine(&self.ledger)), request, START).await
    }

    pub(crate) async fn invite(
        &self,
        uses: u32,
        days: u32,
        note: Option<&str>,
    ) -> (InviteView, String) {
        let note = note.map(str::to_owned);
        let request = GateRequest::InviteCreate { uses, days, note, by: None };
        let GateReply::Invited(made) = self.ask(request).await.unwrap() else { panic!() };
        let InviteMade { invite, token } = *made;
        (invite, token.0.expose().clone())
    }

    async fn invites(&self, now: Timestamp) -> Vec<InviteState> {
        let reply =
            self.desk.ask(None, GateRequest::InviteList { after: None }, now).await.unwrap();
        let GateReply::Invites(page) = reply else { panic!() };
        // Those of one instant have no order.
        let mut states: Vec<_> = page.rows.into_iter().map(|invite| invite.state).collect();
        states.sort_by_key(|state| state.as_str());
        states
    }

    /// Somebody joins the waiting list: their ticket and their position.
    async fn wait(&self, email: &str, from: u8, at: Timestamp) -> (String, u64) {
        match self.desk.join(email, network(from), at).await.unwrap() {
            Join::Waiting { position, ticket } => (ticket.expose().clone(), position),
            Join::Full => panic!("the list is full"),
        }
    }

    async fn admit(&self, count: u32, days: u32) -> Vec<PlaceView> {
        let reply = self.ask(GateRequest::WaitingAdmit { count, days }).await.unwrap();
        let GateReply::LetIn(let_in) = reply else { panic!() };
        let_in.places
    }

    /// Every change that the ledger tells of: action, subject, detail.
    async fn told(self) -> Vec<(String, Option<String>, Option<String>)> {
        self.ledger.shutdown().await.unwrap();
        let mut told = Vec::new();
        export(&self.data.ledger(), &self.vault, |_, record| {
            if let Record::Changed(Changed { action, subject, detail, .. }) = record {
                told.push((action, subject, detail));
            }
        })
        .unwrap();
        told
    }
}

fn moved(to: GateStep, by: MovedBy, reason: &str) -> Moved {
    Moved { to, by, reason: reason.to_owned() }
}

fn network(n: u8) -> Network {
    Network::of(std::net::IpAddr::from([192, 0, n, 1]))
}

fn account(n: u128) -> AccountId {
    AccountId::from_u128(n)
}

#[tokio::test]
async fn a_move_is_recorded_with_its_reason_and_outlives_the_door() {
    let site = Site::new().await;
    let at = START.plus(DAY);
    assert_eq!(site.desk.view().step, GateStep::Open);
    let by_hand = moved(GateStep::Verified, MovedBy::Hand, "Too many robots.");
    site.desk.move_to(&site.ledger, by_hand, at).await.unwrap();
    let pressed = moved(GateStep::Invite, MovedBy::Pressure, "Very many.");
    site.desk
        .move_from(&site.ledger, GateStep::Verified, pressed.clone(), at)
        .await
        .unwrap()
        .unwrap();
    let late = site.desk.move_from(&site.ledger, GateStep::Verified, pressed, at).await.unwrap();
    assert_eq!(late, None, "it was decided on while the gate stood elsewhere");
    let again = site.again().await;
    assert_eq!(again.view(), site.desk.view());
    assert_eq!((again.base(), again.view().step), (GateStep::Verified, GateStep::Invite));
    assert_eq!((again.view().reason.as_str(), again.view().since), ("Very many.", at));
    let moves = site.told().await;
    let detail = |n: usize| moves[n].2.as_deref().unwrap();
    assert_eq!(moves.len(), 2);
    assert_eq!(moves[0].0, "gate.move");
    assert_eq!(moves[0].1.as_deref(), Some("verified"));
    assert_eq!(detail(0), "open -> verified by=hand: Too many robots.");
    assert_eq!(detail(1), "verified -> invite by=pressure: Very many.");
}

#[tokio::test]
async fn the_configuration_holds_until_a_hand_moves_it_and_what_pressure_did_stays() {
    let site = Site::new().await;
    let configured = async |start, reason: &str| {
        site.desk.configured(&site.ledger, start, reason, START.plus(DAY)).await.unwrap();
        (site.desk.base(), site.desk.view().step)
    };
    assert_eq!(configured(GateStep::Open, "At first.").await, (GateStep::Open, GateStep::Open));
    assert_eq!(site.desk.view().since, START, "it did not move");
    assert_eq!(configured(GateStep::Work, "Now so.").await, (GateStep::Work, GateStep::Work));
    let pressed = moved(GateStep::Verified, MovedBy::Pressure, "Very many.");
    site.desk.move_to(&site.ledger, pressed, START).await.unwrap();
    let raised = configured(GateStep::Open, "At first.").await;
    assert_eq!(raised, (GateStep::Open, GateStep::Verified), "calm brings it further back");
    let narrower = configured(GateStep::Closed, "Shut.").await;
    assert_eq!(narrower, (GateStep::Closed, GateStep::Closed));
    let by_hand = moved(GateStep::Invite, MovedBy::Hand, "By hand.");
    site.desk.move_to(&site.ledger, by_hand, START).await.unwrap();
    assert_eq!(configured(GateStep::Open, "x").await, (GateStep::Invite, GateStep::Invite));
    let steps: Vec<_> = site.told().await.into_iter().map(|(_, step, _)| step.unwrap()).collect();
    assert_eq!(steps, ["work", "verified", "closed", "invite"]);
}

#[tokio::test]
async fn without_a_ledger_nothing_is_changed() {
    let site = Site::new().await;
    let requests = [
        GateRequest::Move { to: GateStep::Closed, reason: "x".into() },
        GateRequest::InviteCreate { uses: 1, days: 1, note: None, by: None },
        GateRequest::InviteRevoke { id: "invite_x".into(), tree: false },
        GateRequest::WaitingAdmit { count: 1, days: 1 },
    ];
    for request in requests {
        let error = site.desk.ask(None, request, START).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotRecorded);
    }
    assert_eq!(site.desk.view().step, GateStep::Open);
}

#[tokio::test]
async fn what_an_operator_asks_has_its_bounds() {
    let site = Site::new().await;
    let reason = |chars| GateRequest::Move { to: GateStep::Work, reason: "x".repeat(chars) };
    let invite = |uses, days, note: usize| GateRequest::InviteCreate {
        uses,
        days,
        note: Some("é".repeat(note)),
        by: None,
    };
    let admit = |count| GateRequest::WaitingAdmit { count, days: 1 };
    for (request, fits) in [
        (reason(REASON_CHARS_MAX), true),
        (reason(REASON_CHARS_MAX + 1), false),
        (reason(0), false),
        (invite(INVITE_USES_MAX, INVITE_DAYS_MAX, INVITE_NOTE_CHARS_MAX), true),
        (invite(INVITE_USES_MAX + 1, 1, 1), false),
        (invite(0, 1, 1), false),
        (invite(1, INVITE_DAYS_MAX + 1, 1), false),
        (invite(1, 0, 1), false),
        (invite(1, 1, INVITE_NOTE_CHARS_MAX + 1), false),
        (admit(LET_IN_MAX), true),
        (admit(LET_IN_MAX + 1), false),
        (admit(0), false),
    ] {
        let asked = site.ask(request).await;
        let refused = asked.err().map(|error| error.kind);
        assert_eq!(refused, (!fits).then_some(ErrorKind::Invalid));
    }
    let nobody =
        GateRequest::InviteCreate { uses: 1, days: 1, note: None, by: Some("a@b.c".into()) };
    assert_eq!(site.ask(nobody).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn an_invite_is_good_so_often_and_so_long_and_until_it_is_revoked() {
    let site = Site::new().await;
    let (first, token) = site.invite(2, 10, Some("for ann")).await;
    assert_eq!((first.note.as_deref(), first.uses_max), (Some("for ann"), 2));
    let entry = async |token: &str, at| site.desk.by_invite(token, at).await.unwrap();
    for wrong in ["", "sw_invite_", &token[..token.len() - 1], &format!("{token}x"), "sw_live_x"] {
        assert!(entry(wrong, START).await.is_none(), "{wrong}");
    }
    let last = START.plus(DAY * 10);
    assert!(entry(&token, last).await.is_none(), "its time is over");
    let (one, other) = (entry(&token, START).await, entry(&format!(" {token} "), START).await);
    assert!(entry(&token, START).await.is_none(), "both uses are held");
    drop(other);
    assert!(site.desk.used(one.unwrap(), account(1), START).await.unwrap());
    let left = entry(&token, START).await.unwrap();
    assert!(site.desk.used(left, account(2), START).await.unwrap());
    assert!(entry(&token, START).await.is_none(), "it is used up");

    let (second, token) = site.invite(1, 10, None).await;
    let held = entry(&token, START).await.unwrap();
    site.ask(GateRequest::InviteRevoke { id: second.id.to_string(), tree: false }).await.unwrap();
    assert!(entry(&token, START).await.is_none());
    assert!(!site.desk.used(held, account(3), START).await.unwrap(), "revoked while it was held");
    site.invite(1, 5, None).await;
    use InviteState::{Expired, Good, Revoked, Used};
    assert_eq!(site.invites(START).await, [Good, Revoked, Used]);
    assert_eq!(site.invites(last).await, [Expired, Revoked, Used]);
    let unknown = GateRequest::InviteRevoke { id: "invite_x".into(), tree: true };
    assert_eq!(site.ask(unknown).await.unwrap_err().kind, ErrorKind::NotFound);
    let told = site.told().await;
    assert!(!format!("{told:?}").contains(&token), "no token in the ledger");
    assert_eq!(told[0].2.as_deref(), Some("uses=2 days=10 by=operator"));
}

#[tokio::test]
async fn two_at_once_do_not_come_by_one_use() {
    let site = Site::new().await;
    let (_, token) = site.invite(3, 10, None).await;
    let come = async |n: u128| {
        let Some(entry) = site.desk.by_invite(&token, START).await.unwrap() else { return false };
        site.desk.used(entry, account(n), START).await.unwrap()
    };
    let came = tokio::join!(come(1), come(2), come(3), come(4), come(5), come(6));
    let came = [came.0, came.1, came.2, came.3, came.4, came.5];
    assert_eq!(came.into_iter().filter(|came| *came).count(), 3);
}

/// Invites of accounts that the store has: ann by the operator's, bob by ann's, eve by bob's.
#[tokio::test]
async fn a_branch_is_taken_back_whole() {
    let site = Site::new().await;
    let desk = crate::accounts::Desk::new().await;
    let gate = Desk::new(
        Arc::new(desk.people.clone()),
        desk.vault.clone(),
        (GateStep::Invite, "x"),
        START,
    );
    let ask = async |request| {
        gate.ask(Some(Signed::machine(&site.ledger)), request, START).await.unwrap()
    };
    let made = async |by: Option<&str>| {
        let by = by.map(str::to_owned);
        let reply = ask(GateRequest::InviteCreate { uses: 5, days: 9, note: None, by }).await;
        let GateReply::Invited(made) = reply else { panic!() };
        (made.invite, made.token.0.expose().clone())
    };
    let come = async |token: &str, who: &str| {
        let row = crate::conversations::account(&desk, who).await;
        let entry = gate.by_invite(token, START).await.unwrap().unwrap();
        assert!(gate.used(entry, row, START).await.unwrap());
    };
    let (root, to_ann) = made(None).await;
    come(&to_ann, "ann@example.org").await;
    let (_, to_bob) = made(Some("ann@example.org")).await;
    come(&to_bob, "bob@example.org").await;
    let (of_bob, to_eve) = made(Some("bob@example.org")).await;
    come(&to_eve, "eve@example.org").await;
    let (apart, _) = made(None).await;
    assert!(of_bob.made_by.is_some() && root.made_by.is_none());
    let id = root.id.to_string();
    let GateReply::Revoked(Revoked { invites, accounts }) =
        ask(GateRequest::InviteRevoke { id, tree: true }).await
    else {
        panic!()
    };
    assert_eq!((invites.len(), accounts.len()), (3, 3));
    assert!(invites.contains(&of_bob.id) && !invites.contains(&apart.id));
    assert!(gate.by_invite(&to_eve, START).await.unwrap().is_none());
}

#[tokio::test]
async fn a_turn_comes_in_order_is_used_once_and_passes() {
    let site = Site::new().await;
    let (ann, at) = site.wait("Ann@Example.org", 1, START).await;
    let (bob, behind) = site.wait("bob@example.org", 1, START).await;
    let (eve, last) = site.wait("eve@example.org", 2, START).await;
    assert_eq!((at, behind, last, site.desk.waiting()), (1, 2, 3, 3));
    let place = async |ticket: &str, at| site.desk.place(ticket, at).await.unwrap();
    let enter = async |ticket: &str, at| site.desk.by_invite(ticket, at).await.unwrap();
    assert_eq!(place(&eve, START).await, Some(Place::Waiting(3)));
    let admitted = site.admit(2, 5).await;
    let emails: Vec<_> = admitted.iter().map(|place| place.email.as_str()).collect();
    assert_eq!(emails, ["Ann@example.org", "bob@example.org"]);
    assert_eq!(place(&eve, START).await, Some(Place::Waiting(1)));
    assert_eq!(place(&ann, START).await, Some(Place::LetIn));
    assert!(enter(&eve, START).await.is_none());
    let (once, twice) = (enter(&ann, START).await, enter(&ann, START).await);
    assert!(site.desk.used(once.unwrap(), account(1), START).await.unwrap());
    assert!(!site.desk.used(twice.unwrap(), account(2), START).await.unwrap());
    assert_eq!(place(&ann, START).await, None);
    let late = START.plus(DAY * 5);
    assert!(enter(&bob, late).await.is_none(), "the turn has passed");
    assert_eq!(place(&bob, late).await, None);
    assert_eq!(site.wait("bob@example.org", 1, late).await.1, 2, "behind all others");
    assert!(site.desk.join("no address", network(1), START).await.is_err());
    assert_eq!(site.again().await.waiting(), 2);
    let told = site.told().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].2.as_deref(), Some("places=2 days=5 by=operator"));
}

#[tokio::test]
async fn a_place_is_whose_ticket_it_is() {
    let site = Site::new().await;
    let (mine, _) = site.wait("ann@example.org", 1, START).await;
    let (theirs, behind) = site.wait("Ann@example.org", 2, START).await;
    assert_eq!(behind, 2, "whoever asks with the same address learns nothing of the first place");
    let digits = theirs.rsplit_once('_').unwrap().1;
    for forged in [
        "",
        "sw_place_",
        "sw_place_1",
        "sw_place_1_",
        &format!("sw_place_1_{digits}"),
        &format!("sw_place_+2_{digits}"),
        &format!("sw_place_02_{digits}"),
        &format!("sw_place_99999999999999999999999_{digits}"),
        &format!("sw_invite_2_{digits}"),
    ] {
        assert_eq!(site.desk.place(forged, START).await.unwrap(), None, "{forged}");
        assert!(site.desk.by_invite(forged, START).await.unwrap().is_none(), "{forged}");
    }
    let first = site.desk.position("ann@example.org").await.unwrap();
    assert_eq!(first, Some(1), "who proved the address has the first of its places");
    site.admit(2, 5).await;
    assert!(site.desk.by_place("ann@example.org", START).await.unwrap().is_some());
    assert!(site.desk.by_place("eve@example.org", START).await.unwrap().is_none());
    for ticket in [mine, theirs] {
        let entry = site.desk.by_invite(&ticket, START).await.unwrap();
        assert!(site.desk.used(entry.unwrap(), account(1), START).await.unwrap());
    }
    // A list that was empty counts from 1 again: an old ticket is of no new place.
    let (again, _) = site.wait("bob@example.org", 1, START.plus(DAY)).await;
    assert!(again.starts_with("sw_place_1_"));
    assert_eq!(site.desk.place(&again, START).await.unwrap(), Some(Place::Waiting(1)));
}

#[tokio::test]
async fn one_network_cannot_take_the_list_for_itself() {
    let site = Site::new().await;
    let email = |who: u64| format!("u{who}@example.org");
    for who in 1..=PLACES_PER_NETWORK_MAX {
        assert_eq!(site.wait(&email(who), 1, START).await.1, who);
    }
    let full = site.desk.join(&email(99), network(1), START).await.unwrap();
    assert!(matches!(full, Join::Full));
    assert_eq!(site.wait(&email(99), 2, START).await.1, PLACES_PER_NETWORK_MAX + 1);
    site.admit(1, 1).await;
    let again = site.wait(&email(100), 1, START).await.1;
    assert_eq!(again, PLACES_PER_NETWORK_MAX + 1, "there is room again");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever joins, comes in and is let in: the order is that of joining, positions only get
    /// better, and everybody who was let in came before everybody who waits.
    #[test]
    fn the_waiting_list_is_fair(deeds in prop::collection::vec((0_u8..6, 0_u32..24, 1_u32..4), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let site = Site::new().await;
            let mut waiting: Vec<(u32, String)> = Vec::new();
            let mut inside: Vec<String> = Vec::new();
            let email = |who: u32| format!("u{who}@example.org");
            for (deed, who, count) in deeds {
                match deed {
                    0 => {
                        let let_in = site.admit(count, 9).await;
                        let count = (count as usize).min(waiting.len());
                        let next: Vec<_> = waiting.drain(..count).collect();
                        let emails: Vec<_> = next.iter().map(|(who, _)| email(*who)).collect();
                        let found: Vec<_> = let_in.into_iter().map(|place| place.email).collect();
                        assert_eq!(found, emails);
                        inside.extend(next.into_iter().map(|(_, ticket)| ticket));
                    }
                    1 if !inside.is_empty() => {
                        let ticket = inside.remove(who as usize % inside.len());
                        let entry = site.desk.by_invite(&ticket, START).await.unwrap().unwrap();
                        assert!(site.desk.used(entry, account(u128::from(who)), START).await.unwrap());
                        assert_eq!(site.desk.place(&ticket, START).await.unwrap(), None);
                    }
                    _ => {
                        let (ticket, position) = site.wait(&email(who), (who % 5) as u8, START).await;
                        waiting.push((who, ticket));
                        assert_eq!(position, waiting.len() as u64);
                    }
                }
                for (at, (_, ticket)) in waiting.iter().enumerate() {
                    let place = site.desk.place(ticket, START).await.unwrap();
                    assert_eq!(place, Some(Place::Waiting(at as u64 + 1)));
                }
                for ticket in &inside {
                    let place = site.desk.place(ticket, START).await.unwrap();
                    assert_eq!(place, Some(Place::LetIn));
                }
                assert_eq!(site.desk.waiting(), waiting.len() as u64);
            }
        });
    }
}
