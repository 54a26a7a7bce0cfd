//! Whose turn it is: by purpose, then the networks in turn, then who came first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use surgewall_core::principal::Network;
use tokio::sync::oneshot;

use super::{Busy, HasherLimits, Purpose};

/// How many [`Purpose`]s there are.
pub const PURPOSES: usize = 3;

/// The places and who waits for one.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

struct State {
    limits: HasherLimits,
    running: usize,
    queues: [Queue; PURPOSES],
}

#[derive(Default)]
struct Queue {
    lanes: VecDeque<Lane>,
    waiting: usize,
}

struct Lane {
    network: Network,
    waiters: VecDeque<oneshot::Sender<Permit>>,
}

/// A place, given back when it is dropped.
pub(super) struct Permit(Option<Arc<Mutex<State>>>);

impl Turns {
    pub(super) fn new(limits: HasherLimits) -> Self {
        let queues = std::array::from_fn(|_| Queue::default());
        Self(Arc::new(Mutex::new(State { limits, running: 0, queues })))
    }

    /// A place that comes when it is this one's turn; dropping what is returned leaves the queue.
    pub(super) fn enter(
        &self,
        purpose: Purpose,
        network: Network,
    ) -> Result<oneshot::Receiver<Permit>, Busy> {
        let (sender, receiver) = oneshot::channel();
        let mut state = lock(&self.0);
        let limits = state.limits;
        let queue = &mut state.queues[purpose as usize];
        queue.forget_who_left();
        queue.push(network, sender, &limits)?;
        drop(state);
        hand_out(&self.0);
        Ok(receiver)
    }

    pub(super) fn counts(&self) -> (usize, [usize; PURPOSES]) {
        let mut state = lock(&self.0);
        state.queues.iter_mut().for_each(Queue::forget_who_left);
        (state.running, std::array::from_fn(|at| state.queues[at].waiting))
    }
}

impl Queue {
    fn push(
        &mut self,
        network: Network,
        sender: oneshot::Sender<Permit>,
        limits: &HasherLimits,
    ) -> Result<(), Busy> {
        let own = self.lanes.iter().position(|lane| lane.network == network);
        let length = own.map_or(0, |at| self.lanes[at].waiters.len());
        if length >= limits.waiting_per_network_max
            || (self.waiting >= limits.waiting_max && !self.gives_way(length + 1))
        {
            return Err(Busy::Full);
        }
        match own {
            Some(at) => self.lanes[at].waiters.push_back(sender),
            None => self.lanes.push_back(Lane { network, waiters: VecDeque::from([sender]) }),
        }
        self.waiting += 1;
        Ok(())
    }

    /// The newest of the longest lane leaves for a lane that gets `length` long,
    /// where that is shorter: a few networks never fill the queue for all others.
    fn gives_way(&mut self, length: usize) -> bool {
        let longest = self.lanes.iter_mut().max_by_key(|lane| lane.waiters.len());
        let Some(lane) = longest.filter(|lane| lane.waiters.len() > length) else { return false };
        let left = lane.waiters.pop_back();
        self.waiting -= usize::from(left.is_some());
        left.is_some()
    }

    /// The next one; its network goes to the end of the line.
    fn pop(&mut self) -> Option<oneshot::Sender<Permit>> {
        let mut lane = self.lanes.pop_front()?;
        let waiter = lane.waiters.pop_front();
        if !lane.waiters.is_empty() {
            self.lanes.push_back(lane);
        }
        self.waiting -= usize::from(waiter.is_some());
        waiter
    }

    /// Whoever left makes room for the next who comes, not only when their turn comes.
    fn forget_who_left(&mut self) {
        for lane in &mut self.lanes {
            lane.waiters.retain(|waiter| !waiter.is_closed());
        }
        self.lanes.retain(|lane| !lane.waiters.is_empty());
        self.waiting = self.lanes.iter().map(|lane| lane.waiters.len()).sum();
    }
}

/// Gives free places to those whose turn it is.
fn hand_out(turns: &Arc<Mutex<State>>) {
    loop {
        let mut state = lock(turns);
        if state.running >= state.limits.at_once {
            return;
        }
        let Some(waiter) = state.queues.iter_mut().find_map(Queue::pop) else { return };
        state.running += 1;
        drop(state);
        // Outside of the lock: whoever leaves now drops the permit, which takes the lock.
        if let Err(permit) = waiter.send(Permit(Some(Arc::clone(turns)))) {
            permit.give_back();
        }
    }
}

impl Permit {
    /// Frees the place without handing it out: the caller does.
    fn give_back(mut self) {
        if let Some(turns) = self.0.take() {
            lock(&turns).running -= 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            lock(&turns).running -= 1;
            hand_out(&turns);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
