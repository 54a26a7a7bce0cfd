//! Floods of connections: the bounds by network and in all, and what happens
//! when the process has no descriptors left.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use surgewall_gateway::listen::raise_descriptor_limit;
use surgewall_shield::networks::NetworkLimits;
use surgewall_testkit::Behaviour;
use surgewall_testkit::attack::{From, connect, until_closed};
use tokio::net::TcpStream;

use crate::calls::chat;
use crate::floods::Siege;

/// A door that keeps connections for longer than these tests take.
const PATIENT: &str = "[limits]\nheader_read_s=120\n";
/// For a refused connection to be seen closed.
const SOON: Duration = Duration::from_millis(300);

/// An address in loopback's network of this number.
fn network(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x7f00_0001 | number << 8).into()
}

/// Opens `count` connections from `network` that say nothing.
async fn idle(victim: SocketAddr, network: IpAddr, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(connect(victim, From::Address(network)).await.unwrap());
    }
    streams
}

/// How many of them the door keeps.
async fn kept(streams: &mut [TcpStream]) -> usize {
    tokio::time::sleep(SOON).await;
    let mut kept = 0;
    for stream in streams {
        let ended = until_closed(stream, Duration::from_millis(1)).await;
        kept += usize::from(!ended.closed);
    }
    kept
}

fn bounded(siege: &Siege, connections_max: u32, total_max: u32) {
    let limits = NetworkLimits { connections_max, requests_max: 64, total_max };
    siege.door.door().networks.lock().unwrap().set_limits(limits);
}

#[tokio::test]
async fn one_network_has_512_connections_without_a_credential() {
    assert!(raise_descriptor_limit().0 >= 3_000, "this test needs 3,000 descriptors");
    let siege = Siege::begin_with(PATIENT, Behaviour::default()).await;
    // The good client is in 127.0.0.0/24, the attacker is not.
    let attack = async {
        let mut streams = idle(siege.victim(), network(7), 700).await;
        let kept = kept(&mut streams).await;
        drop(streams);
        kept
    };
    assert_eq!(siege.endure(attack).await, 512);
    siege.end().await;
}

#[tokio::test]
async fn many_networks_cannot_take_what_is_kept_for_known_ones() {
    let siege = Siege::begin_with(PATIENT, Behaviour::default()).await;
    bounded(&siege, 4, 80);
    // The good client authenticates once: its network is known from then on.
    siege.endure(async {}).await;
    let attack = async {
        let mut streams = Vec::new();
        for number in 1..=40 {
            streams.extend(idle(siege.victim(), network(number), 5).await);
        }
        let kept = kept(&mut streams).await;
        (kept, streams)
    };
    let (kept, streams) = siege.endure(attack).await;
    assert_eq!(kept, 60, "three quarters of 80");
    drop(streams);
    siege.end().await;
}

#[tokio::test]
async fn connections_that_were_cut_give_their_places_back() {
    let siege = Siege::begin_with("[limits]\nheader_read_s=4\n", Behaviour::default()).await;
    bounded(&siege, 30, 80);
    for round in 0..3 {
        let attack = async {
            let mut streams = idle(siege.victim(), network(9), 40).await;
            let kept = kept(&mut streams).await;
            for stream in &mut streams {
                assert!(until_closed(stream, Duration::from_secs(30)).await.closed);
            }
            kept
        };
        assert_eq!(siege.endure(attack).await, 30, "round {round}");
    }
    siege.end().await;
}

/// The name of the test below, which runs in a process of its own because it
/// takes all descriptors away.
const ALONE: &str = "floods_idle::without_descriptors_the_door_waits_and_goes_on";

#[test]
fn out_of_descriptors() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", ALONE, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}{why}");
}

#[tokio::test]
#[ignore = "takes all descriptors of its process: run by the test above in one of its own"]
async fn without_descriptors_the_door_waits_and_goes_on() {
    // Building the guard's patterns is work that is not the accept loop's.
    let config = format!("{PATIENT}[data]\nclassify = false\n");
    let siege = Siege::begin_with(&config, Behaviour::default()).await;
    let mut stat = File::open("/proc/self/stat").unwrap();
    let whole = getrlimit(Resource::Nofile);
    let used = u64::try_from(std::fs::read_dir("/proc/self/fd").unwrap().count()).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(used + 40), maximum: whole.maximum })
        .unwrap();
    let mut streams = Vec::new();
    // Each connection has both of its ends in this process: the last ones stay in the backlog.
    while let Ok(stream) = connect(siege.victim(), From::Anywhere).await {
        streams.push(stream);
        assert!(streams.len() <= 40, "the limit does not bite");
        tokio::task::yield_now().await;
    }
    let before = cpu_ticks(&mut stat);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(cpu_ticks(&mut stat) - before < 50, "the accept loop spins");
    setrlimit(Resource::Nofile, whole).unwrap();
    let client = siege.door.stranger().with_header("authorization", &siege.bearer());
    let answer = client.post("/v1/chat/completions", &chat("double", "say 1", false)).await;
    assert_eq!(answer.unwrap().status, 200, "the loop goes on");
    drop(streams);
    siege.end().await;
}

/// This process's time on a processor, in hundredths of a second.
fn cpu_ticks(stat: &mut File) -> u64 {
    let mut text = String::new();
    stat.rewind().unwrap();
    stat.read_to_string(&mut text).unwrap();
    let fields: Vec<_> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
