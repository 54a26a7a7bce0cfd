//! The laws, each by itself.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use surgewall_core::principal::Class;
use surgewall_shield::admission::fair::{FairQueue, Lineage, SHARE_MIN, Shares};
use surgewall_shield::admission::work::Work;

/// The most work of one request here.
const WORK_MAX: u64 = 1_000;

fn of(ids: &[u64]) -> Lineage {
    Lineage::new(Class::Anonymous, false, ids)
}

fn queue() -> FairQueue<usize> {
    FairQueue::new(Shares::default())
}

proptest! {
    /// Goyal et al., theorem 1: |W_f/r_f - W_m/r_m| <= l_f/r_f + l_m/r_m over every
    /// interval in which both classes wait.
    #[test]
    fn classes_that_wait_get_their_shares_within_a_request_of_each(
        shares in [SHARE_MIN..1_000, 1_u32..1_000, 1_u32..1_000, 1_u32..1_000],
        works in vec(1..WORK_MAX, 120),
        before in (0..4_usize, 0..WORK_MAX),
    ) {
        let shares = Shares::new(shares);
        let mut queue = FairQueue::new(shares);
        // Whatever came before: one class has had all of it.
        queue.charge(&Lineage::new(Class::ALL[before.0], false, &[1]), Work(before.1));
        for (item, work) in works.iter().enumerate() {
            let class = Class::ALL[item % 4];
            let _ = queue.push(&Lineage::new(class, false, &[*work % 7]), Work(*work), item);
        }
        // Service by share of each class, in millionths of a request's largest part.
        let part = |class: Class| 1_000.0 / f64::from(shares.of(class));
        let mut served = vec![[0.0; 4]];
        while queue.backlogged().count() == 4 {
            let Some(next) = queue.pop() else { break };
            let mut now = served[served.len() - 1];
            now[next.class as usize] += next.work.0 as f64 * part(next.class);
            served.push(now);
        }
        for (from, begin) in served.iter().enumerate() {
            for end in &served[from..] {
                for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
                    let gap = (end[one] - begin[one]) - (end[other] - begin[other]);
                    let bound = WORK_MAX as f64 * (part(Class::ALL[one]) + part(Class::ALL[other]));
                    prop_assert!(gap.abs() <= bound + 1e-6, "{gap} {bound}");
                }
            }
        }
    }

    /// OSDI'24, theorem 4.4: the service of two that wait all the time differs by no
    /// more than twice the largest request, whoever else comes and goes, and however
    /// long one of them slept before.
    #[test]
    fn two_that_wait_are_served_alike(
        slept in 0..60_usize,
        works in vec((1..WORK_MAX, 1..WORK_MAX), 300),
        visits in vec((0..30_u64, 1..WORK_MAX, any::<bool>()), 300),
        nested in any::<bool>(),
    ) {
        let lineage = |id: u64| if nested { of(&[9, id]) } else { of(&[id, 3]) };
        let mut queue = queue();
        let (mut gaps, mut service) = (vec![0], [0_u64; 2]);
        for (step, ((first, second), (guest, work, leaves))) in works.into_iter().zip(visits).enumerate() {
            let _ = queue.push(&lineage(0), Work(first), 0);
            if step == slept {
                // More than it can use.
                for _ in 0..300 {
                    let _ = queue.push(&lineage(1), Work(second), 1);
                }
            }
            let handle = queue.push(&lineage(100 + guest), Work(work), 2);
            if leaves {
                prop_assert_eq!(queue.remove(handle), Some(2));
            }
            if step % 7 == 0 {
                queue.charge(&lineage(100 + guest), Work(work));
            }
            let _ = queue.push(&lineage(0), Work(second), 0);
            let Some(next) = queue.pop() else { continue };
            if step >= slept && next.item < 2 {
                service[next.item] += next.work.0;
                gaps.push(service[0] as i64 - service[1] as i64);
            }
        }
        let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        prop_assert!(most.abs_diff(*least) <= 2 * WORK_MAX, "{least} {most}");
    }

    #[test]
    fn what_is_charged_less_what_is_refunded_is_the_sum(
        steps in vec((0..4_usize, 0..5_u64, 1..WORK_MAX, 0..6_u8), 1..300),
    ) {
        let (mut queue, mut charged) = (queue(), [0_u64; 4]);
        for (place, id, work, step) in steps {
            let lineage = Lineage::new(Class::ALL[place], id == 0, &[id]);
            match step {
                0 | 1 => {
                    let _ = queue.push(&lineage, Work(work), 0);
                }
                2 => {
                    if let Some(next) = queue.pop() {
                        charged[next.class as usize] += next.work.0;
                    }
                }
                3 => {
                    queue.charge(&lineage, Work(work));
                    charged[place] += work;
                }
                4 => {
                    queue.top_up(&lineage, Work(work));
                    charged[place] += work;
                }
                _ => {
                    let back = work.min(charged[place]);
                    queue.refund(&lineage, Work(back));
                    charged[place] -= back;
                }
            }
            for (class, sum) in Class::ALL.into_iter().zip(charged) {
                prop_assert_eq!(queue.charged_to(class), Work(sum));
            }
        }
    }
}

#[test]
fn strangers_without_end_do_not_keep_anybody_waiting_for_ever() {
    const WAITING: usize = 50;
    let mut queue = queue();
    let mut stranger = 1_000;
    let mut arrive = |queue: &mut FairQueue<usize>| {
        stranger += 1;
        queue.push(&of(&[stranger]), Work(10), 0)
    };
    for _ in 0..WAITING {
        let _ = arrive(&mut queue);
    }
    // A hundred times what a stranger costs.
    queue.top_up(&of(&[1]), Work(WORK_MAX));
    let _ = queue.push(&of(&[1]), Work(10), 1);
    // Each round of all that wait brings a stranger's start one request further.
    let bound = 2 * (WAITING + 1) * (1_000 / 10 + 1);
    let waited = (0..bound).position(|_| {
        let _ = arrive(&mut queue);
        queue.pop().is_some_and(|next| next.item == 1)
    });
    assert!(waited.is_some_and(|pops| pops > WAITING), "{waited:?}");
}

#[test]
fn the_least_share_is_served_beside_the_largest() {
    let mut queue = FairQueue::new(Shares::new([1_000, 0, 0, 0]));
    for item in 0..3_000 {
        let _ = queue.push(&Lineage::new(Class::Established, false, &[item]), Work(10), 0);
    }
    let _ = queue.push(&of(&[1]), Work(10), 0);
    let _ = queue.push(&of(&[1]), Work(10), 1);
    let pops = (0..2_000).position(|_| queue.pop().is_some_and(|next| next.item == 1));
    assert_eq!(pops, Some(1_002));
}

#[test]
fn a_thousand_young_accounts_have_one_share() {
    // Beside three grown accounts: a quarter, in each interval.
    let mut queue = queue();
    for account in 0..1_000 {
        for _ in 0..3 {
            let _ = queue.push(&Lineage::new(Class::New, true, &[account]), Work(100), 0);
        }
    }
    for account in 0..3 {
        for _ in 0..400 {
            let _ = queue.push(&Lineage::new(Class::New, false, &[5_000 + account]), Work(100), 1);
        }
    }
    for _ in 0..10 {
        let served = (0..100).filter(|_| queue.pop().is_some_and(|next| next.item == 0)).count();
        assert_eq!(served, 25);
    }
}

#[test]
fn a_refund_does_not_pass_where_the_wait_began() {
    let mut queue = queue();
    // Each was served a thousand; the second gets more back than it was charged.
    for (id, item) in [(1, 1), (2, 2)] {
        for _ in 0..20 {
            let _ = queue.push(&of(&[id]), Work(100), item);
        }
    }
    let _: Vec<_> = (0..20).filter_map(|_| queue.pop()).collect();
    queue.refund(&of(&[2]), Work(1_000_000));
    let served: Vec<usize> = (0..12).filter_map(|_| queue.pop()).map(|next| next.item).collect();
    assert_eq!(served, [[2; 10].as_slice(), &[1; 2]].concat());
    // One that waits for nothing is forgotten by it, and comes as a newcomer does.
    let mut queue = self::queue();
    queue.top_up(&of(&[3]), Work(500));
    assert_eq!(queue.idle_entries(), 1);
    queue.refund(&of(&[3]), Work(500));
    assert_eq!(queue.idle_entries(), 0);
}

#[test]
fn idle_entries_are_bounded() {
    let mut queue: FairQueue<usize> = FairQueue::with_idle_max(Shares::default(), 100);
    for id in 0..101 {
        assert_eq!(queue.idle_entries() as u64, id.min(100));
        queue.top_up(&of(&[id]), Work(10));
    }
    assert_eq!(queue.idle_entries(), 100);
}

/// Mean error of `ahead` against what happens, in parts of the queue's length.
fn error_of(requests: &[(Lineage, u64)], served: usize) -> f64 {
    let mut queue = queue();
    let pushed = requests.iter().enumerate();
    let handles: Vec<_> =
        pushed.map(|(item, (lineage, work))| queue.push(lineage, Work(*work), item)).collect();
    let mut told = vec![None; requests.len()];
    let _: Vec<_> = (0..served).filter_map(|_| queue.pop()).collect();
    for (item, handle) in handles.iter().enumerate() {
        told[item] = Some(queue.ahead(*handle).total);
    }
    let len = queue.len() as f64;
    let mut error = 0.0;
    for place in 0_u64.. {
        let Some(next) = queue.pop() else { break };
        error += told[next.item].map_or(u64::MAX, |told: u64| told.abs_diff(place)) as f64;
    }
    error / len / len
}

#[test]
fn it_says_well_how_many_are_ahead() {
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let lineage = |class: u64, ids: &[u64]| {
        Lineage::new(Class::ALL[usize::try_from(class).unwrap()], false, ids)
    };
    let singles: Vec<_> = (0..500).map(|id| (of(&[id]), 100)).collect();
    assert_eq!(error_of(&singles, 0), 0.0, "one request each");
    let uneven: Vec<_> = (0..1_000).map(|_| (of(&[(next() % 10) * (next() % 10)]), 100)).collect();
    let classes: Vec<_> = (0..1_000)
        .map(|_| (lineage(next() % 4, &[next() % 20, next() % 3]), 50 + next() % 100))
        .collect();
    for (what, requests, most) in [("uneven", &uneven, 0.05), ("classes", &classes, 0.12)] {
        for served in [0, 100, 500] {
            let error = error_of(requests, served);
            assert!(error <= most, "{what} after {served}: {error}");
        }
    }
}
