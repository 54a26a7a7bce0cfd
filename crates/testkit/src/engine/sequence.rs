//! One request inside the engine.

use std::time::Duration;

use super::blocks::Blocks;
use super::{BLOCK_TOKENS, Job, JobId};

/// A request that waits or runs.
pub(super) struct Sequence {
    pub(super) id: JobId,
    pub(super) job: Job,
    pub(super) submitted: Duration,
    /// When its newest token was made.
    pub(super) last_at: Option<Duration>,
    pub(super) produced: u32,
    /// Tokens of the step under way; 0 where it has no part in it.
    pub(super) scheduled: u32,
    /// Tokens whose keys and values are there.
    computed: u32,
    /// Blocks of its own.
    private: u32,
    /// Blocks of its prompt that others may share: the first of `job.prefix`.
    shared: usize,
}

impl Sequence {
    pub(super) fn new(id: JobId, job: Job, now: Duration) -> Self {
        Self {
            id,
            job,
            submitted: now,
            last_at: None,
            produced: 0,
            scheduled: 0,
            computed: 0,
            private: 0,
            shared: 0,
        }
    }

    /// Tokens whose keys and values the next token needs.
    fn tokens(&self) -> u32 {
        self.job.input + self.produced
    }

    /// Whether the next step makes its next token and computes no prompt.
    pub(super) fn decodes(&self) -> bool {
        self.produced > 0 && self.computed + 1 == self.tokens()
    }

    /// Takes blocks for the next tokens, at most `budget`; `false` takes nothing.
    pub(super) fn grow(&mut self, blocks: &mut Blocks, budget: u32) -> bool {
        let next = (self.tokens() - self.computed).min(budget);
        let held = self.private + u32::try_from(self.shared).unwrap_or(u32::MAX);
        let more = (self.computed + next).div_ceil(BLOCK_TOKENS).saturating_sub(held);
        if !blocks.take(more) {
            return false;
        }
        self.private += more;
        self.scheduled = next;
        true
    }

    /// Begins to run: finds what is there of its prompt, takes blocks for the
    /// next tokens. Gives the tokens found; `None` takes nothing.
    pub(super) fn admit(&mut self, blocks: &mut Blocks, budget: u32) -> Option<u32> {
        // The last token is always computed: its result is the next one.
        let reusable = (self.tokens() - 1) / BLOCK_TOKENS;
        let hits = blocks.hits(&self.job.prefix).min(reusable);
        self.shared = usize::try_from(hits).unwrap_or(0);
        for hash in &self.job.prefix[..self.shared] {
            blocks.hold(*hash);
        }
        self.computed = hits * BLOCK_TOKENS;
        if self.grow(blocks, budget) {
            return Some(self.computed);
        }
        self.stop(blocks);
        None
    }

    /// Ends its part in a step; `true` where that made a token.
    pub(super) fn advance(&mut self, blocks: &mut Blocks) -> bool {
        let tokens = self.tokens();
        self.computed += std::mem::take(&mut self.scheduled);
        let whole = usize::try_from(self.computed / BLOCK_TOKENS).unwrap_or(0);
        while self.shared < whole.min(self.job.prefix.len()) {
            blocks.publish(self.job.prefix[self.shared]);
            self.shared += 1;
            self.private -= 1;
        }
        let is_token = self.computed == tokens;
        self.produced += u32::from(is_token);
        is_token
    }

    /// Gives all blocks back; what it has produced so far it has to compute again.
    pub(super) fn stop(&mut self, blocks: &mut Blocks) {
        // The end first: the beginning of a prompt is what others share most.
        for hash in self.job.prefix[..self.shared].iter().rev() {
            blocks.release(*hash);
        }
        blocks.give_back(self.private);
        (self.private, self.shared, self.computed, self.scheduled) = (0, 0, 0, 0);
    }
}
