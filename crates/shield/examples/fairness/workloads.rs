//! The workloads, each from its own seed.

use super::engine::Request;

/// Requests in the order in which they come.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) clients: usize,
    pub(crate) steps: u64,
    pub(crate) requests: Vec<Request>,
}

const STEPS: u64 = 60_000;

/// All of them.
pub(crate) fn all() -> Vec<Workload> {
    let even = |_: &mut Random| (256, 256);
    let short = |_: &mut Random| (64, 512);
    let long = |_: &mut Random| (512, 64);
    vec![
        Workload::of("overload, 2 and 4 times", &[Client::every(16, even), Client::every(8, even)]),
        Workload::of(
            "overload, short answers and long ones",
            &[Client::every(6, long), Client::every(10, short)],
        ),
        Workload::of(
            "on and off, beside one that is always on",
            &[Client::every(12, even), Client { on_steps: Some(4_000), ..Client::every(8, even) }],
        ),
        Workload::of(
            "Poisson, short and long",
            &[
                Client { poisson: true, ..Client::every(6, long) },
                Client { poisson: true, ..Client::every(12, short) },
            ],
        ),
        Workload::of(
            "Poisson, lengths at random, badly expected",
            &[
                Client { poisson: true, guess: Guess::Maximum, ..Client::every(8, random_lengths) },
                Client { poisson: true, guess: Guess::Tenth, ..Client::every(8, random_lengths) },
                Client { poisson: true, ..Client::every(8, random_lengths) },
            ],
        ),
        Workload::of(
            "one account, and a person with 1,000 young",
            &[Client::every(12, even), Client { accounts: 1_000, ..Client::every(2, even) }],
        ),
    ]
}

/// What is expected of an output.
#[derive(Clone, Copy)]
enum Guess {
    Right,
    /// The most that any has.
    Maximum,
    /// A tenth of it.
    Tenth,
}

struct Client {
    /// Steps between two requests, on average.
    every: u64,
    poisson: bool,
    /// It comes in every second period of this length only.
    on_steps: Option<u64>,
    accounts: u64,
    guess: Guess,
    lengths: fn(&mut Random) -> (u64, u64),
}

impl Client {
    fn every(every: u64, lengths: fn(&mut Random) -> (u64, u64)) -> Self {
        Self { every, poisson: false, on_steps: None, accounts: 1, guess: Guess::Right, lengths }
    }

    fn requests(&self, client: usize, random: &mut Random) -> Vec<Request> {
        let (mut requests, mut at) = (Vec::new(), 0.0);
        loop {
            at += if self.poisson { random.exponential() } else { 1.0 } * self.every as f64;
            // Poisson arrivals are whole steps here.
            let step = requests_step(at);
            if step >= STEPS {
                return requests;
            }
            if self.on_steps.is_some_and(|on| step / on % 2 == 1) {
                continue;
            }
            let (input, output) = (self.lengths)(random);
            let output_expected = match self.guess {
                Guess::Right => output,
                Guess::Maximum => LENGTH_MAX,
                Guess::Tenth => (output / 10).max(1),
            };
            let young = self.accounts > 1;
            let account = 1_000_000 * (client as u64 + 1) + random.below(self.accounts);
            requests.push(Request {
                client,
                account,
                young,
                at: step,
                input,
                output,
                output_expected,
            });
        }
    }
}

/// The longest input or output.
const LENGTH_MAX: u64 = 512;

fn random_lengths(random: &mut Random) -> (u64, u64) {
    (1 + random.below(LENGTH_MAX), 1 + random.below(LENGTH_MAX))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a step within the run"
)]
fn requests_step(at: f64) -> u64 {
    at.clamp(0.0, STEPS as f64) as u64
}

impl Workload {
    fn of(name: &'static str, clients: &[Client]) -> Self {
        let mut random = Random(88_172_645_463_325_252);
        let each = clients.iter().enumerate();
        let mut requests: Vec<Request> =
            each.flat_map(|(client, of)| of.requests(client, &mut random)).collect();
        requests.sort_by_key(|request| request.at);
        Self { name, clients: clients.len(), steps: STEPS, requests }
    }
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Of mean one.
    fn exponential(&mut self) -> f64 {
        -((self.below(1 << 53) as f64 + 1.0) / (1_u64 << 53) as f64).ln()
    }
}
