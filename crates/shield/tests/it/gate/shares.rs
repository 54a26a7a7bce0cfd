//! What each class gets at a gate where all of them always wait.

use std::collections::VecDeque;
use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_core::principal::Class;
use surgewall_shield::admission::capacity::End;
use surgewall_shield::admission::fair::{Lineage, Shares};
use surgewall_shield::admission::gate::{Arrived, Ask, Gate, Terms};

use super::sim::terms;

/// Requests of each class that wait at once.
const WAITING: u64 = 20;

fn ask(class: Class, who: u64) -> Ask {
    Ask {
        lineage: Lineage::new(class, false, &[who]),
        principal: who,
        model: 1,
        input: 100,
        cached: 0,
        output_max: 100,
        bytes: 1 << 10,
        repeated: false,
    }
}

#[test]
fn the_headroom_lets_the_established_go_first_but_nobody_starve() {
    let mut now = Clock::System.monotonic();
    let longest_wait = [Duration::from_secs(86_400); 4];
    let mut gate: Gate<u64> = Gate::new(now, Terms { longest_wait, ..terms() });
    let mut running = VecDeque::new();
    let mut class_of = std::collections::HashMap::new();
    let mut turns = [0_u32; 4];
    let (mut longest_gap, mut last) = ([0; 4], [0; 4]);
    for nth in 0..4_000 {
        for class in Class::ALL {
            while gate.view().waiting[class as usize].requests < WAITING {
                match gate.arrive(now, ask(class, nth % 50), || 0, || 0) {
                    Arrived::Go(id) => running.push_back(id),
                    Arrived::Wait(id, _) => drop(class_of.insert(id, class)),
                    Arrived::Full(full) => panic!("{full:?}"),
                }
            }
        }
        now += Duration::from_millis(100);
        if let Some(id) = running.pop_front() {
            gate.finish(now, id, End::Completed, Some((100, 100)));
        }
        while let Some((id, _)) = gate.next(now) {
            let class = class_of[&id] as usize;
            turns[class] += 1;
            longest_gap[class] = longest_gap[class].max(nth - last[class]);
            last[class] = nth;
            running.push_back(id);
        }
    }
    let all: u32 = turns.iter().sum();
    for class in Class::ALL {
        let share = Shares::default().of(class) * all / 1_000;
        let turns = turns[class as usize];
        assert!(turns.abs_diff(share) * 20 <= share, "{class}: {turns} of {all}, not {share}");
    }
    assert!(longest_gap.iter().all(|gap| *gap < 80), "{longest_gap:?}");
}
