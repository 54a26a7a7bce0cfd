//! Whose request it is, from the most general counter to the most particular.

use surgewall_core::principal::Class;

use super::super::work::Work;

/// Counters below the class: group, account, key, delegated user.
pub const LEVELS_MAX: usize = 4;

/// Who is charged for a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lineage {
    class: Class,
    young: bool,
    depth: u8,
    parts: u8,
    ids: [u64; LEVELS_MAX],
}

impl Lineage {
    /// A lineage of `class` by the `ids` of its group, account, key and delegated
    /// user, as far as it has them, or by its network.
    ///
    /// With `young`, the common parent of all young accounts of the class is put in
    /// front. Of more than [`LEVELS_MAX`] ids the last ones are left out; without
    /// any, all such requests are one principal.
    #[must_use]
    pub fn new(class: Class, young: bool, ids: &[u64]) -> Self {
        let mut levels = [0; LEVELS_MAX];
        let depth = ids.len().min(LEVELS_MAX);
        levels[..depth].copy_from_slice(&ids[..depth]);
        Self { class, young, depth: u8::try_from(depth.max(1)).unwrap_or(1), parts: 1, ids: levels }
    }

    /// The same, for a request that counts as one of so many `parts`: its lineage's
    /// counters are charged that much less, and so it comes sooner. Its class is
    /// charged all of it.
    #[must_use]
    pub fn in_parts(self, parts: u8) -> Self {
        Self { parts: parts.max(1), ..self }
    }

    /// What its counters are charged for `work`.
    pub(super) fn counted(&self, work: Work) -> Work {
        Work(work.0.div_ceil(u64::from(self.parts)))
    }

    /// Its class.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Whether it shares the counter of all young accounts of its class.
    #[must_use]
    pub const fn is_young(&self) -> bool {
        self.young
    }

    /// The counters below the class, the most general first. Never empty.
    #[must_use]
    pub fn ids(&self) -> &[u64] {
        &self.ids[..usize::from(self.depth)]
    }
}
