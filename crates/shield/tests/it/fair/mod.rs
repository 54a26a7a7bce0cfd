//! Laws of the fair queue, and that it does what the plain model of it does.

mod laws;
mod model;

use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use surgewall_core::principal::Class;
use surgewall_shield::admission::fair::{FairQueue, Handle, Lineage, Shares};
use surgewall_shield::admission::work::Work;

use model::{Model, Name};

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    Remove,
    Pop,
    PopClass,
    Charge,
    TopUp,
    Refund,
    Shares,
}

/// Whom a step is about, and how much.
#[derive(Clone, Debug)]
struct About {
    class: usize,
    young: bool,
    ids: Vec<u64>,
    work: u64,
    random: usize,
}

fn steps() -> impl Strategy<Value = Vec<(Step, About)>> {
    use Step::{Charge, Pop, PopClass, Push, Refund, Remove, Shares, TopUp};
    let kinds = [Push, Push, Push, Push, Pop, Pop, PopClass, Remove, Charge, TopUp, Refund, Shares];
    let ids = proptest::collection::vec(0..4_u64, 1..4);
    let about = (0..4_usize, any::<bool>(), ids, 1..100_u64, any::<usize>());
    let about = about.prop_map(|(class, young, ids, work, random)| {
        // Most of it in one class, where it meets.
        About { class: class / 2, young: young && class == 0, ids, work, random }
    });
    proptest::collection::vec((proptest::sample::select(kinds.to_vec()), about), 1..250)
}

/// The queue and the model of it, side by side.
struct Both {
    queue: FairQueue<u32>,
    model: Model,
    handles: BTreeMap<u32, Handle>,
    items: u32,
}

const SHARES: [[u32; 4]; 3] = [[500, 250, 125, 125], [10, 500, 200, 8], [1, 1, 1, 1]];

impl Both {
    fn new() -> Self {
        let (queue, model) = (FairQueue::new(Shares::new(SHARES[0])), Model::new(SHARES[0]));
        Self { queue, model, handles: BTreeMap::new(), items: 0 }
    }

    /// What each of them answers.
    fn step(&mut self, step: Step, about: &About) -> (Option<u32>, Option<u32>) {
        let class = Class::ALL[about.class];
        let lineage = Lineage::new(class, about.young, &about.ids);
        let young = about.young.then_some(Name::Young);
        let path: Vec<Name> =
            young.into_iter().chain(about.ids.iter().map(|id| Name::Id(*id))).collect();
        let work = Work(about.work);
        match step {
            Step::Push => {
                self.items += 1;
                let handle = self.queue.push(&lineage, work, self.items);
                self.handles.insert(self.items, handle);
                self.model.push(about.class, &path, self.items, about.work);
            }
            Step::Remove => {
                let nth = about.random % self.handles.len().max(1);
                if let Some((item, handle)) = self.handles.iter().nth(nth).map(|(i, h)| (*i, *h)) {
                    let removed = self.queue.remove(handle);
                    return (removed, self.model.remove(item).then_some(item));
                }
            }
            Step::Pop | Step::PopClass => {
                let class = matches!(step, Step::PopClass).then_some(about.class);
                let next = match class {
                    Some(class) => self.queue.pop_class(Class::ALL[class]),
                    None => self.queue.pop(),
                };
                return (next.map(|next| next.item), self.model.pop(class).map(|next| next.0));
            }
            Step::Charge => {
                self.queue.charge(&lineage, work);
                self.model.charge(about.class, &path, about.work, true);
            }
            Step::TopUp => {
                self.queue.top_up(&lineage, work);
                self.model.charge(about.class, &path, about.work, false);
            }
            Step::Refund => {
                self.queue.refund(&lineage, work);
                self.model.refund(about.class, &path, about.work);
            }
            Step::Shares => {
                let shares = SHARES[about.random % SHARES.len()];
                self.queue.set_shares(Shares::new(shares));
                self.model.set_shares(shares);
            }
        }
        (None, None)
    }
}

proptest! {
    #[test]
    fn it_does_what_the_model_does(steps in steps()) {
        let mut both = Both::new();
        for (step, about) in &steps {
            let (queue, model) = both.step(*step, about);
            prop_assert_eq!(queue, model, "{:?} {:?}", step, about);
            for (place, class) in Class::ALL.into_iter().enumerate() {
                prop_assert_eq!(both.queue.len_of(class), both.model.waiting(place) as u64);
            }
        }
        // Whoever is left comes in the same order, and nobody is lost.
        while !both.queue.is_empty() {
            let next = both.queue.pop().map(|next| next.item);
            prop_assert_eq!(next, both.model.pop(None).map(|next| next.0));
        }
        prop_assert_eq!(both.model.pop(None), None);
        prop_assert_eq!(both.queue.len(), 0);
    }

    #[test]
    fn whoever_comes_and_leaves_leaves_no_trace(
        steps in steps(),
        guests in proptest::collection::vec(proptest::collection::vec((0..6_u64, 0..6_u64), 0..4), 250),
    ) {
        let (mut plain, mut visited) = (Both::new(), Both::new());
        for ((step, about), guests) in steps.iter().zip(guests) {
            let handles: Vec<Handle> = guests
                .iter()
                .map(|(account, key)| {
                    let class = Class::ALL[about.class];
                    let lineage = Lineage::new(class, about.young, &[*account, *key]);
                    visited.queue.push(&lineage, Work(about.work), u32::MAX)
                })
                .collect();
            for handle in handles {
                assert_eq!(visited.queue.remove(handle), Some(u32::MAX));
            }
            prop_assert_eq!(visited.step(*step, about).0, plain.step(*step, about).0);
        }
        while !plain.queue.is_empty() {
            prop_assert_eq!(visited.queue.pop(), plain.queue.pop());
        }
        prop_assert_eq!(visited.queue.pop(), None);
        for class in Class::ALL {
            prop_assert_eq!(visited.queue.charged_to(class), plain.queue.charged_to(class));
        }
    }
}
