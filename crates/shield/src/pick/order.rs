//! Which server comes first: by load, or by what is to be read until a first token.

use super::{Picked, Server};
use crate::affinity::Near;

/// The load that a server may have for the sake of its cache, over its share: 5 / 4.
const LOAD_BOUND: (u64, u64) = (5, 4);

/// The server with least to read of those whose load is within the bound; none where nothing is
/// known of the request's beginning.
pub(super) fn nearest<'a>(
    servers: impl Iterator<Item = (usize, &'a Server)> + Clone,
    near: &[Near],
) -> Option<Picked> {
    if near.is_empty() {
        return None;
    }
    let sum = |of: fn(&Server) -> u32| servers.clone().map(|(_, one)| u64::from(of(one))).sum();
    let (in_flight, weights): (u64, u64) = (sum(|one| one.in_flight), sum(|one| one.weight));
    let has_room = |server: &Server| {
        let bound = LOAD_BOUND.0 * (in_flight + 1) * u64::from(server.weight);
        u64::from(server.in_flight) < bound.div_ceil(LOAD_BOUND.1 * weights.max(1))
    };
    let order = |position: usize, server: &Server| {
        let Near { known, unread, draw } = near.get(position).copied().unwrap_or_default();
        let weight = f64::from(server.weight.max(1));
        // Its first token comes when it has read all this. Of those alike, the one that
        // knows most; then by the load, and where nothing is known by the draw.
        let first = server.reading.saturating_add(unread) as f64;
        let then = if known > 0 { f64::from(server.in_flight) } else { draw };
        (first / weight, unread, then / weight, draw / weight)
    };
    let nearer = |a: &(usize, &Server), b: &(usize, &Server)| {
        let (a, b) = (order(a.0, a.1), order(b.0, b.1));
        a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)).then(a.3.total_cmp(&b.3))
    };
    let wanted = servers.clone().min_by(nearer)?.0;
    let server = servers.filter(|(_, server)| has_room(server)).min_by(nearer)?.0;
    Some(Picked { server, passed_over: server != wanted })
}

/// The server with the fewest requests per weight; among equals by weighted chance.
pub(super) fn least<'a>(
    servers: impl Iterator<Item = (usize, &'a Server)>,
    random: u64,
) -> Option<usize> {
    let mut best: Option<(usize, &Server)> = None;
    let mut weights: u64 = 0;
    for (position, server) in servers {
        let order = best.map_or(std::cmp::Ordering::Less, |(_, best)| {
            // a/b < c/d as a*d < c*b, without division.
            let left = u64::from(server.in_flight) * u64::from(best.weight);
            left.cmp(&(u64::from(best.in_flight) * u64::from(server.weight)))
        });
        match order {
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Less => {
                weights = u64::from(server.weight);
                best = Some((position, server));
            }
            std::cmp::Ordering::Equal => {
                // Reservoir sampling: each equal stays with a chance of its share of the weight.
                weights += u64::from(server.weight);
                let drawn = mix(random.wrapping_add(weights)) % weights;
                if drawn < u64::from(server.weight) {
                    best = Some((position, server));
                }
            }
        }
    }
    best.map(|(position, _)| position)
}

/// SplitMix64's finaliser: independent draws from one random number.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
