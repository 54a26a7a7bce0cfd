//! A simulated engine: so many sequences at once, each a token at every step.

use std::collections::BTreeMap;

use super::order::Order;
use super::workloads::Workload;

/// Sequences at once.
pub(crate) const SLOTS: usize = 16;

/// Work of an output token; an input token's is one.
const OUTPUT_WORK: u64 = 2;

/// Output tokens after which a request that runs longer than expected is charged more.
const TOP_UP_TOKENS: u64 = 256;

/// One request of one client.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) client: usize,
    pub(crate) account: u64,
    pub(crate) young: bool,
    /// The step at which it comes.
    pub(crate) at: u64,
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// What its output was expected to be.
    pub(crate) output_expected: u64,
}

impl Request {
    pub(crate) fn expected(&self) -> u64 {
        self.input + OUTPUT_WORK * self.output_expected
    }
}

/// What came of a workload.
pub(crate) struct Outcome {
    /// The largest difference in service of two clients while both waited.
    pub(crate) gap: u64,
    pub(crate) bound: u64,
    /// By client, while all of them waited.
    pub(crate) service: Vec<u64>,
}

struct Running {
    request: usize,
    produced: u64,
    charged: u64,
}

/// Runs `workload` in an order, until its last step.
pub(crate) fn run(workload: &Workload, mut order: Box<dyn Order>) -> Outcome {
    let mut arrivals = workload.requests.iter().enumerate().peekable();
    let mut running: Vec<Running> = Vec::new();
    let mut waiting = vec![0_u64; workload.clients];
    let mut service = vec![0_u64; workload.clients];
    let mut gaps = Gaps::default();
    let mut together = vec![0_u64; workload.clients];
    for step in 0..workload.steps {
        while let Some((number, request)) = arrivals.next_if(|(_, request)| request.at <= step) {
            order.push(number, request);
            waiting[request.client] += 1;
        }
        let before = service.clone();
        while running.len() < SLOTS {
            let Some(number) = order.pop() else { break };
            let request = &workload.requests[number];
            waiting[request.client] -= 1;
            service[request.client] += request.input;
            running.push(Running { request: number, produced: 0, charged: request.expected() });
        }
        running.retain_mut(|one| one.step(workload, order.as_mut(), &mut service));
        gaps.add(&waiting, &service);
        if waiting.iter().all(|waiting| *waiting > 0) {
            let gained = service.iter().zip(&before).map(|(now, before)| now - before);
            together.iter_mut().zip(gained).for_each(|(sum, gained)| *sum += gained);
        }
    }
    Outcome { gap: gaps.largest, bound: bound(workload), service: together }
}

/// The paper's: M is the most tokens that fit in the running batch.
fn bound(workload: &Workload) -> u64 {
    let most = |of: fn(&Request) -> u64| workload.requests.iter().map(of).max().unwrap_or(0);
    let batch = SLOTS as u64 * most(|request| request.input + request.output);
    2 * most(|request| request.input).max(OUTPUT_WORK * batch)
}

impl Running {
    /// One token; whether there will be another.
    fn step(&mut self, workload: &Workload, order: &mut dyn Order, service: &mut [u64]) -> bool {
        let request = &workload.requests[self.request];
        self.produced += 1;
        service[request.client] += OUTPUT_WORK;
        let used = request.input + OUTPUT_WORK * self.produced;
        if self.produced >= request.output {
            order.correct(request, self.charged, used);
            return false;
        }
        if used >= self.charged {
            let more = used + OUTPUT_WORK * TOP_UP_TOKENS;
            order.correct(request, self.charged, more);
            self.charged = more;
        }
        true
    }
}

/// The largest difference of each two clients since both of them wait.
#[derive(Default)]
struct Gaps {
    /// Least and most of the first's service less the second's.
    open: BTreeMap<(usize, usize), (i64, i64)>,
    largest: u64,
}

impl Gaps {
    fn add(&mut self, waiting: &[u64], service: &[u64]) {
        for one in 0..waiting.len() {
            for other in one + 1..waiting.len() {
                if waiting[one] == 0 || waiting[other] == 0 {
                    self.open.remove(&(one, other));
                    continue;
                }
                let now = service[one].cast_signed() - service[other].cast_signed();
                let (least, most) = self.open.entry((one, other)).or_insert((now, now));
                (*least, *most) = ((*least).min(now), (*most).max(now));
                self.largest = self.largest.max(most.abs_diff(*least));
            }
        }
    }
}
