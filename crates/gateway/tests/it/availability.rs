//! Where the service is offered: by the operator's rule and the registries' file.

use std::io::Write as _;

use surgewall_core::gate::GateStep;
use surgewall_core::principal::Network;
use surgewall_gateway::gate::{Attempt, Held, pass};
use surgewall_testkit::client::Client;
use surgewall_testkit::{Behaviour, Double};

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

const PATH: &str = "/v1/chat/completions";
const FILE: &str = "2|ripencc|1700000000|2|19830705|20231114|+0100\n\
    ripencc|IT|ipv4|192.0.2.0|256|20100101|allocated|a\n\
    ripencc|DE|ipv4|198.51.100.0|256|20100101|allocated|b\n";

/// A door for strangers of all networks under a rule, and the file it reads.
async fn door(double: &Double, rule: &str) -> (TestDoor, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(FILE.as_bytes()).unwrap();
    let pool = upstream("local", &double.url(), "models=[\"double\"]");
    let text = format!(
        "behind_proxy=[\"127.0.0.0/8\"]\n[accounts]\nanonymous=true\n[gate]\nstart=\"open\"\n\
         [data]\nregion_files=[\"{}\"]\n[[rule]]\nid=\"not-there\"\nkind=\"availability\"\n{rule}\n{pool}",
        file.path().display()
    );
    (TestDoor::start(&text).await, file)
}

async fn asked(client: &Client, address: &str) -> (u16, String, String) {
    let client = client.clone().with_header("x-forwarded-for", address);
    let answer = client.post(PATH, &chat("double", "say 2", false)).await.unwrap();
    let told = answer.json();
    let text = |name: &str| told["error"][name].as_str().unwrap_or_default().to_owned();
    (answer.status, text("code"), text("message"))
}

fn hits(door: &TestDoor, effect: &str) -> u64 {
    let text = surgewall_gateway::metrics::render(door.door());
    let labels = format!("surgewall_rule_hits_total{{rule=\"not-there\",effect=\"{effect}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&labels)?.parse().ok()).unwrap_or(0)
}

async fn sign_up(door: &TestDoor, address: &str) -> Option<Held> {
    let address = address.parse().unwrap();
    let attempt = Attempt {
        network: Network::of(address),
        address,
        email: None,
        proven: false,
        phone: None,
        work: None,
        verified: false,
        invite: None,
    };
    pass(door.door(), &attempt).await.err()
}

#[tokio::test]
async fn strangers_and_sign_ups_from_there_are_refused_with_the_reason_and_accounts_are_not() {
    let double = Double::start(Behaviour::default());
    let rule = "not_in=[\"it\"]\nreason=\"Not offered in Italy: an order of the regulator.\"";
    let (door, _file) = door(&double, rule).await;
    let (status, code, message) = asked(&door.stranger(), "192.0.2.7").await;
    assert_eq!((status, code.as_str()), (403, "not_offered_here"));
    assert_eq!(message, "Not offered in Italy: an order of the regulator.");
    let asked_it = double.requests().iter().any(|seen| seen.path.ends_with("completions"));
    assert!(!asked_it, "nobody was given it");
    for elsewhere in ["198.51.100.7", "203.0.113.7"] {
        assert_eq!(asked(&door.stranger(), elsewhere).await.0, 200, "{elsewhere}");
    }
    assert_eq!(asked(&door.client().await, "192.0.2.7").await.0, 200, "a key goes on");
    let held = sign_up(&door, "192.0.2.7").await.unwrap();
    assert_eq!(held.as_str(), "not_offered_here");
    assert!(held.public_words().contains("regulator"));
    assert_eq!(sign_up(&door, "198.51.100.7").await, None);
    assert_eq!(hits(&door, "refused"), 2);
    assert_eq!(door.stop().await.refused, 1);
}

#[tokio::test]
async fn in_shadow_a_rule_only_counts() {
    let double = Double::start(Behaviour::default());
    let (door, _file) =
        door(&double, "state=\"shadow\"\nonly_in=[\"de\"]\nunknown=\"refuse\"").await;
    for address in ["192.0.2.7", "203.0.113.7", "198.51.100.7"] {
        assert_eq!(asked(&door.stranger(), address).await.0, 200);
    }
    assert_eq!((hits(&door, "would_refuse"), hits(&door, "refused")), (2, 0));
}

#[tokio::test]
async fn accounts_are_refused_where_the_rule_says_so_and_a_chosen_region_lets_invited_in() {
    let double = Double::start(Behaviour::default());
    let rule = "only_in=[\"de\"]\nunknown=\"refuse\"\napplies=[\"accounts\"]";
    let (door, _file) = door(&double, rule).await;
    let client = door.client().await;
    assert_eq!(asked(&client, "198.51.100.7").await.0, 200);
    let (status, code, message) = asked(&client, "203.0.113.7").await;
    assert_eq!((status, code.as_str()), (403, "not_offered_here"));
    assert_eq!(message, "The service is not offered in your region.");
    assert_eq!(asked(&door.stranger(), "203.0.113.7").await.0, 200, "the rule is for accounts");
    assert_eq!(surgewall_gateway::gate::view(door.door()).step, GateStep::Open);
}
