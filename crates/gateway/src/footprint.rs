//! How large futures are. They live as long as a connection or a wait does, and
//! each is as large as its largest state: what is rare and large is boxed.

use std::future::Future;

/// Bytes of the future that `begin` returns; it is not called.
pub(crate) const fn future_bytes<A, F: Future, B: Fn(A) -> F>(_begin: &B) -> usize {
    size_of::<F>()
}
